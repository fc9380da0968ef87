"""/metrics for Prometheus, answered to this machine alone: what waits, what runs, how long it takes, what fails.

Counted in the database when asked, so that every web process says the same and a restart loses no count.
"""

import ipaddress
import shutil
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count, Min, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from campaigns.enums import CampaignState, StageState
from campaigns.models import Campaign, Stage, StageFailure
from sseweb.health import reconciler_silence_s


class _Stages(Collector):
    def collect(self) -> Iterator[Metric]:
        states = dict(Stage.objects.order_by().values_list("state").annotate(Count("id")))
        stages = GaugeMetricFamily("sseweb_stages", "Stages by state", labels=["state"])
        for state in StageState.values:
            stages.add_metric([state], states.get(state, 0))
        yield stages
        yield from _queue()
        yield from _work()
        failures = CounterMetricFamily("sseweb_stage_failures", "Failures of stages by cause", labels=["cause"])
        for cause, n in StageFailure.objects.order_by().values_list("cause").annotate(Count("id")):
            failures.add_metric([cause], n)
        yield failures
        campaigns = GaugeMetricFamily("sseweb_campaigns", "Campaigns by state", labels=["state"])
        found = dict(Campaign.objects.order_by().values_list("state").annotate(Count("id")))
        for state in CampaignState.values:
            campaigns.add_metric([state], found.get(state, 0))
        yield campaigns


def _queue() -> Iterator[Metric]:
    """What could be done now and is not."""
    waiting = Q(state=StageState.PENDING, campaign__state=CampaignState.RUNNING)
    found = Stage.objects.filter(waiting).aggregate(n=Count("id"), oldest=Min("created_at"))
    yield GaugeMetricFamily("sseweb_queue_depth", "Stages of running campaigns that wait for a worker", value=found["n"])
    waited_s = (timezone.now() - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    yield GaugeMetricFamily("sseweb_queue_oldest_seconds", "Age of the oldest of them", value=waited_s)
    lost = Stage.objects.filter(state=StageState.RUNNING, lease_until__lt=timezone.now(), campaign__state=CampaignState.RUNNING).count()
    yield GaugeMetricFamily("sseweb_stages_without_worker", "Running stages whose worker has stopped renewing its claim", value=lost)


def _work() -> Iterator[Metric]:
    seconds = CounterMetricFamily("sseweb_stage_seconds", "Wall seconds of finished stages", labels=["kind"])
    finished = CounterMetricFamily("sseweb_stages_finished", "Finished stages", labels=["kind"])
    labels = CounterMetricFamily("sseweb_labels_computed", "Reference calculations")
    rows = Stage.objects.filter(state=StageState.DONE).order_by().values("kind")
    for row in rows.annotate(n=Count("id"), wall=Sum("seconds"), labels=Sum("labels_computed")):
        seconds.add_metric([row["kind"]], row["wall"])
        finished.add_metric([row["kind"]], row["n"])
        if row["labels"]:
            labels.add_metric([], row["labels"])
    yield from (seconds, finished, labels)


class _Machine(Collector):
    def collect(self) -> Iterator[Metric]:
        usage = shutil.disk_usage(settings.DATA_DIR)
        yield GaugeMetricFamily("sseweb_disk_free_bytes", "Free bytes on the disk of the data folder", value=usage.free)
        silence_s = reconciler_silence_s()
        if silence_s is not None:
            yield GaugeMetricFamily("sseweb_reconciler_silence_seconds", "Since the reconciler last ran", value=silence_s)


def metrics(request: HttpRequest) -> HttpResponse:
    """404 for everybody but a program on this machine; what came through a proxy came from elsewhere."""
    if "HTTP_X_FORWARDED_FOR" in request.META or not ipaddress.ip_address(request.META["REMOTE_ADDR"]).is_loopback:
        raise Http404
    registry = CollectorRegistry()
    registry.register(_Stages())
    registry.register(_Machine())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
