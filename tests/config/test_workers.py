"""TF_CONFIG: who we are among the workers, and which images are ours."""

import json

import pytest

from tfipgan.config.workers import worker_addresses, worker_share
from tfipgan.errors import InputError
from tfipgan.files.worker import ALONE, Worker

TWO = {"worker": ["a:1", "b:1"]}
CHIEF = {"chief": ["c:1"], "worker": ["a:1", "b:1"]}


def config(cluster=TWO, type="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": type, "index": index}})


@pytest.mark.parametrize("text", [None, ""])
def test_no_config(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    assert worker_share() == ALONE == Worker(0, 1)


def test_a_config(monkeypatch):
    for index in (0, 1):
        monkeypatch.setenv("TF_CONFIG", config(index=index))
        assert worker_share() == Worker(index, 2)
    assert str(worker_share()) == "worker 1 of 2"
    monkeypatch.setenv("TF_CONFIG", config({"worker": ["a:1"]}))
    assert worker_share() == ALONE


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"cluster": {}}',
        config({}),
        '{"cluster": {"worker": ["a:1"]}}',
        config({"worker": ["a:1"]}),
        config({"chief": ["a:1"]}, type="chief"),
    ],
)
def test_one_process(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    assert worker_share() == ALONE


def test_a_chief_is_the_first_worker(monkeypatch):
    for type, index, place in (("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)):
        monkeypatch.setenv("TF_CONFIG", config(CHIEF, type, index))
        assert worker_share() == Worker(place, 3)
        assert worker_addresses() == ("c:1", "a:1", "b:1")


def test_tasks_by_number_and_numbers_as_text(monkeypatch):
    cluster = {"worker": {"1": "b:1", "0": "a:1"}}
    monkeypatch.setenv("TF_CONFIG", config(cluster, index="1"))
    assert worker_share() == Worker(1, 2)
    assert worker_addresses() == ("a:1", "b:1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is '{'; expected"),
        ("[" * 10**5, r"is '\[+\.\.\.\[+'; expected"),
        ("[1]", r"is '\[1\]'; expected"),
        (config([]), r"has the cluster \[\]; expected"),
        (config({"worker": []}), r"has the cluster {'worker': \[\]}; expected"),
        (config({"worker": 2}), "has the cluster {'worker': 2}; expected"),
        (config({**TWO, "ps": ["c:1"]}), r"has the cluster {.*'ps'.*}; expected"),
        (
            config({**TWO, "evaluator": ["c:1"]}),
            "has the cluster {.*'eval.*}; expected",
        ),
        (config({**TWO, "chief": ["c:1", "d:1"]}), "has the cluster {.*'chief'.*};"),
        (config({"worker": {"0": "a:1", "2": "b:1"}}), "has the cluster {'worker'"),
        (config({"worker": {"a": "a:1"}}), "has the cluster {'worker'"),
        (config({}, type="ps"), "has the task {.*'ps'.*}; expected"),
        (config(type="chief"), "has the task {.*'chief'.*}; expected"),
        (config(CHIEF, type="chief", index=1), "has the index 1 of a chief in a"),
        (json.dumps({"cluster": TWO}), "has the task None; expected"),
        (json.dumps({"cluster": TWO, "task": 1}), "has the task 1; expected"),
        (config(type="evaluator"), "has the task {.*'evaluator'.*}; expected"),
        (config(index=2), "has the index 2 of a worker in a .* with 2; .* from 0 to 1"),
        (config(index=-1), "has the index -1 of a worker in a cluster with 2"),
        (config(index="x"), "has the index 'x' of a worker in a cluster with 2"),
        (config(index=True), "has the index True of a worker in a cluster with 2"),
        (config(index=None), "has the index None of a worker in a cluster with 2"),
    ],
)
def test_what_is_no_config(monkeypatch, text, told):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=f"^TF_CONFIG {told}") as raised:
        worker_share()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("images", [0, 1, 6, 7, 30])
@pytest.mark.parametrize("batch", [1, 3, 7, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_shares_are_whole_batches_in_a_row(images, batch, count):
    everything = list(range(images))
    batches = [everything[i : i + batch] for i in range(0, images, batch)]
    shares = [everything[Worker(k, count).share(images, batch)] for k in range(count)]
    assert sum(shares, []) == everything
    of_shares = [
        share[i : i + batch] for share in shares for i in range(0, len(share), batch)
    ]
    assert of_shares == batches
    sizes = [-(-len(share) // batch) for share in shares]
    assert max(sizes) - min(sizes) <= 1
