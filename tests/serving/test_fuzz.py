"""The server against its own description."""

import time

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

HEADERS = {"Authorization": "Bearer sesame"}
EXAMPLES = 20
REFUSALS = {"negative_data_rejection": {"expected-statuses": [400, 401, 404, 405, 413, 422]}}


@pytest.fixture
def description(make_app):
    app = make_app(token="sesame", max_text=500, max_texts=5)
    schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS)  # starts it
    while not app.state.services.served.is_ready:
        time.sleep(0.01)
    config = schemathesis.Config.from_dict({"checks": REFUSALS})
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS, config=config)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_is_declared(description, mode):
    operations = [found.ok() for found in description.get_all_operations()]
    assert {"/v1/extract", "/v1/model", "/health", "/ready", "/metrics"} <= {operation.path for operation in operations}
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue  # nothing can be wrong

        # The description cannot say what a labeling configuration is, and more than it says is taken: Label Studio may send more.
        excluded = [positive_data_acceptance, negative_data_rejection] if operation.path.startswith("/label-studio") else []

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        def check(case):
            case.call_and_validate(headers=HEADERS, excluded_checks=excluded)  # noqa: B023

        check()
