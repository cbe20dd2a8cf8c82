"""Traces: one span per batch, request or send, and a `traceparent` that travels with every event."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanContext, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.settings import ServiceSettings

_PROPAGATOR = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("peerline")
_SAMPLED = "13579bdf"  # what the flags of a traceparent end in where its lowest bit is set
MOST_LINKS = 32  # 500 links cost 0.6 ms a batch and no viewer shows them


class SpansFile(SpanExporter):
    """Appends spans as JSON lines, for a machine without a collector."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans; one line each."""
        with self._path.open("a") as file:
            file.writelines(json.dumps(json.loads(span.to_json())) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


def configure(service: str, settings: ServiceSettings) -> TracerProvider:
    """Make the process's tracer; spans go to a collector, a file, both or nowhere."""
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
        resource=Resource({"service.name": service, "service.namespace": "peerline"}),
    )
    if settings.otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  16 MB, rarely wanted

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint)))
    if settings.spans_file:
        provider.add_span_processor(BatchSpanProcessor(SpansFile(settings.spans_file), schedule_delay_millis=500))
    trace.set_tracer_provider(provider)
    return provider


@contextmanager
def span(
    name: str, *, traceparent: str | None = None, among: Iterable[str | None] = (), **attributes: str | int
) -> Iterator[Span]:
    """
    A span around a block; a child of `traceparent` if given.

    `among` are the traceparents of a batch: a single one becomes the parent, several become links.
    An error is recorded by its class only, since its text may hold a value.
    """
    several = list(dict.fromkeys(parent for parent in among if parent))
    if traceparent is None and len(several) == 1:
        traceparent, several = several[0], []
    sampled = [parent for parent in several if parent[-1] in _SAMPLED][:MOST_LINKS]
    links = [Link(_span_context(parent)) for parent in sampled]
    with _tracer.start_as_current_span(
        name,
        context=_context(traceparent),
        links=links,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def traceparent() -> str | None:
    """The current span in W3C form, or None outside of any."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def _context(traceparent: str | None) -> Context | None:
    return _PROPAGATOR.extract({"traceparent": traceparent}, context=Context()) if traceparent else None


def _span_context(traceparent: str) -> SpanContext:
    return trace.get_current_span(_context(traceparent)).get_span_context()
