"""`GET /metrics`: the figures of the office and of its process, as Prometheus reads them."""

from collections.abc import Callable, Iterator, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from server import __version__
from server.core.figure import Figure
from server.core.permission import READ
from server.dispatch import Dispatch
from server.web.security import add_route

CONTENT_TYPE = "text/plain; version=0.0.4"


class Metrics:
    """One route; every member's token may read it, for it names agents and counts, and tells nothing that was said."""

    def __init__(self, dispatch: Dispatch, loop_lateness_s: Callable[[], float], readers: Callable[[], int]) -> None:
        self._dispatch = dispatch
        self._loop_lateness_s = loop_lateness_s
        self._readers = readers

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/metrics", self._show, READ)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        figures: list[Figure] = await self._dispatch.as_system("count_everything")
        own = [
            Figure("streams", "Open event streams.", "", {"": self._readers()}),
            Figure("loop_lateness_ms", "How late the event loop was at worst within a minute.", "",
                   {"": round(self._loop_lateness_s() * 1000)}),
            Figure("info", "The running version.", "version", {__version__: 1}),
        ]  # fmt: skip
        registry = CollectorRegistry()
        registry.register(_Figures([*figures, *own]))
        ProcessCollector(registry=registry)
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE})


class _Figures(Collector):
    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for figure in self._figures:
            family = GaugeMetricFamily(
                f"bullpen_{figure.name}", figure.help, labels=[figure.label] * bool(figure.label)
            )
            for word, count in figure.counts.items():
                family.add_metric([word] if figure.label else [], count)
            yield family
