"""The server's numbers for Prometheus."""

import prometheus_client

# From a look-up to a batch of images on two cores.
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one server, in a registry of their own.

    Attributes:
        registry: `prometheus_client.CollectorRegistry`.
        queue_seconds, run_seconds, run_rows: histograms of the waits, of the runs and
            of their rows.
        waiting: gauge of the requests in the queue; set its function.
    """

    def __init__(self):
        self.registry = prometheus_client.CollectorRegistry()
        common = {"registry": self.registry}
        self._requests = prometheus_client.Counter(
            "tfipgan_requests",
            "Requests by model, method and gRPC status.",
            ["model", "method", "status"],
            **common,
        )
        self._seconds = prometheus_client.Histogram(
            "tfipgan_request_seconds",
            "Seconds from the arrival of a request to its answer.",
            ["model", "method"],
            buckets=_SECONDS,
            **common,
        )
        self.queue_seconds = prometheus_client.Histogram(
            "tfipgan_queue_seconds",
            "Seconds that a request waited for its turn.",
            buckets=_SECONDS,
            **common,
        )
        self.run_seconds = prometheus_client.Histogram(
            "tfipgan_run_seconds", "Seconds of a run.", buckets=_SECONDS, **common
        )
        self.run_rows = prometheus_client.Histogram(
            "tfipgan_run_rows",
            "Rows of a run, of one request or several.",
            buckets=_ROWS,
            **common,
        )
        self.waiting = prometheus_client.Gauge(
            "tfipgan_queue_requests", "Requests that wait for their turn.", **common
        )
        self._served = prometheus_client.Gauge(
            "tfipgan_model_served",
            "1 if the version answers requests, 0 if it no longer does.",
            ["model", "version"],
            **common,
        )

    def count(self, model, method, status, seconds):
        """Count a request that has been answered.

        Args:
            model: name of a model that is served, or "unknown": names out of requests
                would grow without a bound.
            method: name of the RPC.
            status: name of the gRPC code.
            seconds: float.
        """
        self._requests.labels(model, method, status).inc()
        self._seconds.labels(model, method).observe(seconds)

    def set_served(self, model, version, served):
        """Note whether a version answers requests."""
        self._served.labels(model, str(version)).set(int(served))

    def serve(self, host, port):
        """Answer Prometheus over HTTP, under any path.

        Returns:
            (port, function that stops it); the port for 0 is a free one.
        """
        server, thread = prometheus_client.start_http_server(
            port, addr=host, registry=self.registry
        )

        def stop():
            server.shutdown()
            server.server_close()
            thread.join()

        return server.server_port, stop
