"""How good labels are: scores, calibration, agreement of workers, agreement with people, paired comparison.

Pure functions over arrays. Every statistic comes as an `Estimate` with an interval, or with the reason why not. What a
few human answers prove about all labels is in `powered`, `certificate` and `alternative_annotator`, and what people
prefer in `noninferiority`; those are imported by name because they need SciPy, and so are the other statistics of a
study: `raters`, `conduct`, `bradley_terry`, `power`, `multiplicity`.
Knows nothing of models, engines, files or pages.
"""

from limbeck.evaluation.agreement import (
    PanelDiagnosis,
    diagnose,
    effective_votes,
    pairwise_agreement,
    panel_warning,
)
from limbeck.evaluation.calibration import (
    Acceptance,
    Bin,
    CoveragePoint,
    acceptance,
    calibration_error,
    coverage_curve,
    reliability,
)
from limbeck.evaluation.comparison import Comparison, compare, mcnemar
from limbeck.evaluation.intervals import Estimate
from limbeck.evaluation.ordinal import (
    expected,
    mean_absolute_error,
    point,
    quadratic_kappa,
    rank_agreement,
)
from limbeck.evaluation.people import (
    PeopleAgreement,
    against_people,
    human_shares,
    rank_correlation,
    rater_accuracy,
)
from limbeck.evaluation.samples import chances, doubt, draw, spread
from limbeck.evaluation.scores import ClassScore, accuracy, brier, confusion, log_loss, macro_f1, per_class

__all__ = [
    "Acceptance",
    "Bin",
    "ClassScore",
    "Comparison",
    "CoveragePoint",
    "Estimate",
    "PanelDiagnosis",
    "PeopleAgreement",
    "acceptance",
    "accuracy",
    "against_people",
    "brier",
    "calibration_error",
    "chances",
    "compare",
    "confusion",
    "coverage_curve",
    "diagnose",
    "doubt",
    "draw",
    "effective_votes",
    "expected",
    "human_shares",
    "log_loss",
    "macro_f1",
    "mcnemar",
    "mean_absolute_error",
    "pairwise_agreement",
    "panel_warning",
    "per_class",
    "point",
    "quadratic_kappa",
    "rank_agreement",
    "rank_correlation",
    "rater_accuracy",
    "reliability",
    "spread",
]
