"""Manifests for Kubernetes: valid, without rights, and with names that are names."""

from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runtree.packaging.manifests import Cluster, manifests, object_name, write_manifests

PACKED = SimpleNamespace(
    version=SimpleNamespace(name="Churn_v2.final", number=3, reference="models:/Churn_v2.final/3"),
    image="registry.example/churn:3",
    model_bytes=100 * 2**20,
    gpu=False,
)
# of spec.predictor in the CustomResourceDefinition of KServe 0.20, beside the fields of a pod
KSERVE = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifests")
    return {file.stem: yaml.safe_load(file.read_text()) for file in write_manifests(PACKED, Cluster("shop", 3), folder)}


def pods(content):
    """Return every specification of a pod in a manifest."""
    if isinstance(content, dict):
        if "containers" in content:
            yield content
        for part in content.values():
            yield from pods(part)


def test_kubernetes_takes_them(written):
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is for contributors").validate
    from kubernetes_validate import latest_version

    for name, content in written.items():
        if name != "inference-service":
            validate(content, latest_version(), strict=True)
    predictor = written["inference-service"]["spec"]["predictor"]
    pod = {name: part for name, part in predictor.items() if name not in KSERVE}
    meta = written["inference-service"]["metadata"]
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod}, latest_version(), strict=True)


def test_kserve_replaces_what_a_cluster_without_it_has(written):
    service, predictor = written["service"], written["inference-service"]["spec"]["predictor"]
    assert predictor.keys() >= KSERVE
    [container] = predictor["containers"]
    assert container["name"] == "kserve-container"
    assert container["args"] == ["serve.access.hosts=[*]"]  # its gateway has a domain of its own
    # labels of the service are labels of its pods
    assert not service["spec"]["selector"].items() <= written["inference-service"]["metadata"]["labels"].items()


def test_a_gpu_is_asked_for_where_the_image_is_for_one():
    packed = SimpleNamespace(**{**vars(PACKED), "gpu": True})
    for name, content in manifests(packed, Cluster()):
        for pod in pods(content):
            assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1, name


def test_every_pod_has_no_rights_and_writes_to_volumes_alone(written):
    found = [pod for content in written.values() for pod in pods(content)]
    assert len(found) == 4
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"]["memory"] == "912Mi"  # 512 and four times the model
            volumes = {volume["name"] for volume in pod["volumes"]}
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_they_belong_together(written):
    deployment, service = written["deployment"], written["service"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"]):
        assert selector.items() <= labels.items()
    assert written["network-policy"]["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert written["autoscaler"]["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"] == "churn-v2-final"
    assert (written["autoscaler"]["spec"]["minReplicas"], deployment["spec"]["replicas"]) == (3, 3)
    # the service is called by its names in the cluster, which its check of the Host header takes
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert "churn-v2-final.shop.svc" in container["args"][0]
    jobs = written["monitor-job"]["spec"]["jobTemplate"]["spec"]["template"]
    assert jobs["spec"]["containers"][0]["args"] == ["monitor", "models:/Churn_v2.final/3"]
    assert not service["spec"]["selector"].items() <= jobs["metadata"]["labels"].items()  # no job answers requests
    assert {content["metadata"]["namespace"] for content in written.values()} == {"shop"}


@settings(max_examples=8)
@given(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", fullmatch=True))
def test_any_name_of_a_model_is_a_name_there_and_comes_back_from_yaml(name):
    made = object_name(name)
    assert made[0].isalpha()
    assert made[-1].isalnum()
    assert len(made) <= 50
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    version = SimpleNamespace(name=name, number=1, reference=f"models:/{name}/1")
    packed = SimpleNamespace(version=version, image="churn:1", model_bytes=1, gpu=False)
    for _, content in manifests(packed, Cluster()):
        assert yaml.safe_load(yaml.safe_dump(content, sort_keys=False)) == content
