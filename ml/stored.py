"""A stored model: what it may be made of, and how it is read."""

from pathlib import Path

from ml.model import CongestionModel
from specs.errors import WrongInput

MODEL_FILE = "model.skops"

# All that a stored model is made of besides numpy's and scikit-learn's public classes. The list of
# a downloaded model is not asked: whoever wrote the model wrote that too.
TRUSTED_TYPES = (
    "ml.calibration.Calibrator",
    "ml.conformal.ConformalInterval",
    "ml.drift.Reference",
    "ml.families.LightGbmTrees",
    "ml.families.SklearnTrees",
    "ml.model.CongestionModel",
    "ml.memory.Memory",
    "ml.median.PerceptronMedian",
    "ml.mixture.MedianMixture",
    "ml.mixture.Mixture",
    "ml.network.NetworkForecast",
    "ml.perceptron.Perceptron",
    "ml.profile.Profile",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)


def load_model(path: Path) -> CongestionModel:
    """Read a stored model, of trusted types only.

    Raises:
        WrongInput: the file is absent, no congestion model, or made of types not trusted.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        model = skops.io.load(path, trusted=list(TRUSTED_TYPES))
    except (OSError, UntrustedTypesFoundException) as error:
        raise WrongInput(f"cannot load the model {path.name}: {error}") from error
    if not isinstance(model, CongestionModel):
        raise WrongInput(f"{path.name} holds a {type(model).__name__}, not a CongestionModel")
    return model
