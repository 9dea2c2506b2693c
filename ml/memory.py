"""What a model remembers of the past, beside its trees."""

from dataclasses import dataclass

from ml.network import NetworkForecast
from ml.profile import Profile
from specs.ml import Span


@dataclass(frozen=True, eq=False)
class Memory:
    """What was usual in the training and in recent days, and how the network goes on."""

    training: Profile
    recent: Profile
    network: NetworkForecast

    def of(self, span: Span) -> Profile:
        """The profile of that time."""
        return {"training": self.training, "recent": self.recent}[span]
