"""States and kinds as they stand in the database, with the words a user sees."""

from django.db.models import TextChoices


class CampaignState(TextChoices):
    DRAFT = "draft", "draft"
    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    CONVERGED = "converged", "converged"
    NOT_CONVERGED = "not_converged", "not converged"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"
    IMPORTED = "imported", "imported to look at"


ENDED = (
    CampaignState.CONVERGED,
    CampaignState.NOT_CONVERGED,
    CampaignState.FAILED,
    CampaignState.CANCELLED,
    CampaignState.IMPORTED,
)


class StageKind(TextChoices):
    PREPARE = "prepare", "order and relax the cell"
    S0 = "s0", "starting set S0"
    TRAIN = "train", "train the model"
    PROBE = "probe", "probe ranks and threads"
    EXPLORE = "explore", "explore (NVT)"
    LABEL = "label", "label the snapshots"
    EVALUATE = "evaluate", "evaluate (NVE)"
    JUDGE = "judge", "judge D and Ea"
    CHECK = "check", "check the reference method"
    RELABEL = "relabel", "missing labels again"


# The protocol neither plans these nor waits for them: a user asks for them, and where one fails the campaign goes on.
ASIDE = (StageKind.CHECK, StageKind.RELABEL)


class StageState(TextChoices):
    PENDING = "pending", "waiting for a worker"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


class JobState(TextChoices):
    """Of a stage that was sent to a cluster."""

    NONE = "", "-"
    SUBMITTING = "submitting", "being submitted"
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    UNKNOWN = "unknown", "unknown, the cluster gave no answer"


# Stages that can be sent to a cluster. The probe goes with the exploration, whose machine it measures; the judge takes seconds.
CLUSTER_KINDS = (StageKind.PREPARE, StageKind.S0, StageKind.TRAIN, StageKind.EXPLORE, StageKind.LABEL, StageKind.EVALUATE)


class S0Route(TextChoices):
    FPMD = "fpmd", "short dynamics with the reference method (fpmd)"
    UPLOAD = "upload", "an existing data set (upload)"


class FrameSource(TextChoices):
    S0_FPMD = "s0_fpmd", "S0, dynamics with the reference method"
    S0_UPLOAD = "s0_upload", "S0, uploaded"
    EXPLORE = "explore", "snapshot of the exploration"


class Verdict(TextChoices):
    KEPT = "kept", "kept"
    REJECTED = "rejected", "rejected"
    UNLABELLED = "unlabelled", "label failed"


class CleaningRule(TextChoices):
    NONE = "", "-"
    ENERGY = "energy", "energy per atom outside the interval"
    FORCE = "force", "largest force outside the interval"
    BOND_VARIATION = "bond_variation", "framework bond stretched or compressed too far"


class RunPurpose(TextChoices):
    EXPLORE = "explore", "exploration (NVT)"
    EVALUATE = "evaluate", "evaluation (NVE)"


class RunOutcome(TextChoices):
    COMPLETED = "completed", "completed"
    MIN_DISTANCE = "min_distance", "atoms too close"
    BLOWN_UP = "blown_up", "blown up"


class Role(TextChoices):
    OWNER = "owner", "owner"
    MEMBER = "member", "member"
    VIEWER = "viewer", "viewer"
