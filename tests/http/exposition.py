"""A strict parser of what /metrics answers: Prometheus' text format 0.0.4 and OpenMetrics 1.0.

It accepts less than the formats allow: no time stamps, no empty lines, HELP and TYPE for each family and before its samples, all
samples of a family together, each sample once, and the conventions for names.
"""
import math
import re

NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=[a-zA-Z_])|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.+)\}})? (\S+)")
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def labels_of(text):
    labels, position = {}, 0
    while position < len(text or ""):
        found = LABEL.match(text, position)
        assert found, text
        assert found[1] not in labels, text
        labels[found[1]] = re.sub(r'\\(["\\n])', lambda m: "\n" if m[1] == "n" else m[1], found[2])
        position = found.end()
    return frozenset(labels.items())


class Family:
    def __init__(self, name, help):
        self.name, self.help, self.type, self.unit = name, help, None, None
        self.samples = {}  # (name of the sample, labels): value

    def check(self):
        assert self.help and self.help[0].isupper() | self.help[0].isdigit() and self.help.endswith("."), self.name
        assert (self.unit is None or self.name.endswith("_" + self.unit)) and not self.name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))
        ends = {"counter": {"_total"}, "gauge": {""}, "info": {"_info"}, "histogram": {"_bucket", "_sum", "_count"}}[self.type]
        for (name, labels), value in self.samples.items():
            assert name.startswith(self.name) and name[len(self.name):] in ends, (self.name, name)
            assert value >= 0 and not math.isnan(value)
            assert self.type != "info" or value == 1
        if self.type == "histogram":
            self.check_histograms()

    def check_histograms(self):
        series = {frozenset(label for label in labels if label[0] != "le") for _, labels in self.samples}
        for labels in series:
            buckets = [(dict(other)["le"], value) for (name, other), value in self.samples.items()
                       if name == self.name + "_bucket" and frozenset(label for label in other if label[0] != "le") == labels]
            bounds, counts = [float(bound) for bound, _ in buckets], [count for _, count in buckets]
            assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf and buckets[-1][0] == "+Inf", buckets
            assert counts == sorted(counts), buckets
            count, total = self.samples[self.name + "_count", labels], self.samples[self.name + "_sum", labels]
            assert counts[-1] == count
            # Each duration is above the bound below its bucket, and at most the bucket's.
            in_bucket = [after - before for before, after in zip([0, *counts], counts)]
            assert sum(n * low for n, low in zip(in_bucket, [0, *bounds])) <= total * (1 + 1e-9)
            assert total <= sum(n * high for n, high in zip(in_bucket, bounds) if n) * (1 + 1e-9)


def parse(response):
    """{name of the family: Family}, with counters under their name without _total."""
    assert response.status == 200, response.body
    media = response.headers["Content-Type"]
    assert media in (TEXT, OPEN_METRICS), media
    return parse_text(response.body.decode(), media == OPEN_METRICS)


def parse_text(text, open_metrics):
    assert text.endswith("\n") and "\r" not in text
    lines = text[:-1].split("\n")
    assert (lines[-1] == "# EOF") == open_metrics
    families, family = {}, None
    for line in lines[:-1] if open_metrics else lines:
        comment = re.fullmatch(rf"# (HELP|TYPE|UNIT) ({NAME}) (.+)", line)
        if comment and comment[1] == "HELP":
            family = Family(comment[2], comment[3])
        elif comment:
            assert comment[2] == (family.whole if family.type else family.name) and not family.samples, line
            if comment[1] == "UNIT":
                assert open_metrics and family.unit is None
                family.unit = comment[3]
                continue
            assert family.type is None, line
            family.whole, family.type = family.name, comment[3]
            if not open_metrics:  # there the name of a family is that of its samples
                end = "_total" if family.type == "counter" else "_info" if family.name.endswith("_info") else ""
                assert family.name.endswith(end), line
                family.name = family.name.removesuffix(end)
                family.type = "info" if end == "_info" else family.type
            assert family.name not in families, line
            families[family.name] = family
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample and family.type and NUMBER.fullmatch(sample[3]), line
            key = sample[1], labels_of(sample[2])
            assert key not in family.samples, line
            family.samples[key] = float(sample[3])
    for each in families.values():
        each.check()
    return families


class Metrics:
    """The figures of a daemon at one moment: metrics("sower_requests_total", route="/v1/tensor") is the sum of the samples with
    these labels."""

    def __init__(self, families):
        self.families = families

    def samples(self):
        return {key: value for family in self.families.values() for key, value in family.samples.items()}

    def __call__(self, name, **labels):
        return sum(value for (sample, own), value in self.samples().items() if sample == name and labels.items() <= dict(own).items())


def read(daemon, **headers):
    return Metrics(parse(daemon.get("/metrics", headers)))
