"""Others that empty the same topic: what landing costs without what makes it safe."""
