"""The API and the live map: the lake's newest complete batch, over HTTP."""
