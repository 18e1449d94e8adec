"""What runs an image on Kubernetes: Deployment, Service, scaling, network, jobs, and a service of KServe."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from runtree.packaging.image import PORT, USER, WORK, Packed

LEAST_MEMORY = 512 * 2**20  # of Python, scikit-learn and the service itself
GPU_MEMORY = 3 * 2**30  # of the host, instead: torch with CUDA
MODEL_FACTOR = 4  # what a loaded model takes, of its files
SECONDS_TO_END = 45  # grace and drain of conf/serve/default.yaml, and some more
CPU_TARGET = 70  # percent of what is requested
READY, LIVE = "/v2/health/ready", "/v2/health/live"


@dataclass(frozen=True)
class Cluster:
    """Where and how the image runs.

    Attributes
    ----------
    replicas
        The least number of copies; at most four times as many.
    storage
        GiB of the volume of predictions and results.
    """

    namespace: str = "default"
    replicas: int = 2
    storage: int = 10


def write_manifests(packed: Packed, cluster: Cluster, folder: Path) -> list[Path]:
    """Write a file for each kind and return the files; that of KServe, which not every cluster has, lies below."""
    (folder / "kserve").mkdir(parents=True, exist_ok=True)
    written = []
    for kind, content in manifests(packed, cluster):
        file = folder / f"{kind}.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        written.append(file)
    return written


def manifests(packed: Packed, cluster: Cluster) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each file with its content."""
    name = object_name(packed.version.name)
    app = {"app.kubernetes.io/name": name}
    labels = {**app, "app.kubernetes.io/version": str(packed.version.number), "app.kubernetes.io/managed-by": "runtree"}

    def made(api: str, kind: str, own: str, **rest: Any) -> dict[str, Any]:
        meta = {"name": own, "namespace": cluster.namespace, "labels": labels}
        return {"apiVersion": api, "kind": kind, "metadata": meta, **rest}

    domains = ("", f".{cluster.namespace}", f".{cluster.namespace}.svc", f".{cluster.namespace}.svc.cluster.local")
    serving = _serving(packed, [f"{name}{domain}" for domain in domains])
    pod = {**_pod(name, [serving]), "terminationGracePeriodSeconds": SECONDS_TO_END}
    yield (
        "deployment",
        made(
            "apps/v1",
            "Deployment",
            name,
            spec={
                "replicas": cluster.replicas,
                "selector": {"matchLabels": app},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        ),
    )
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    yield "service", made("v1", "Service", name, spec={"selector": app, "ports": ports})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": CPU_TARGET}}
    scaling = {"scaleTargetRef": target, "minReplicas": cluster.replicas, "maxReplicas": 4 * cluster.replicas}
    scaling["metrics"] = [{"type": "Resource", "resource": cpu}]
    yield "autoscaler", made("autoscaling/v2", "HorizontalPodAutoscaler", name, spec=scaling)
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": app}}
    yield "disruption-budget", made("policy/v1", "PodDisruptionBudget", name, spec=budget)
    yield "network-policy", made("networking.k8s.io/v1", "NetworkPolicy", name, spec=_network(app))
    size = {"requests": {"storage": f"{cluster.storage}Gi"}}
    claim = {"accessModes": ["ReadWriteMany"], "resources": size}  # the copies write, and the watcher reads
    yield "volume", made("v1", "PersistentVolumeClaim", f"{name}-data", spec=claim)
    model = packed.version.reference
    for job, schedule, words in (
        ("monitor", "15 * * * *", ["monitor", model]),
        ("predict", "0 3 * * *", ["predict", model, "rows", "-o", "scored"]),
    ):
        inner = _pod(name, [_container(packed, words)]) | {"restartPolicy": "Never"}
        template = {
            "template": {"metadata": {"labels": {**labels, "app.kubernetes.io/name": f"{name}-{job}"}}, "spec": inner}
        }
        spec = {
            "schedule": schedule,
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"backoffLimit": 1, **template}},
        }
        yield f"{job}-job", made("batch/v1", "CronJob", f"{name}-{job}", spec=spec)
    yield "kserve/inference-service", _inference_service(packed, cluster, name)


def _inference_service(packed: Packed, cluster: Cluster, name: str) -> dict[str, Any]:
    """Return the service of KServe, instead of Deployment, Service and scaling; checked against the schema of its 0.20.

    It is deployed as these are: Knative takes neither the security context of a pod nor the names of its ports.
    """
    # its gateway calls the service by a name of the cluster's domain
    container = {**_serving(packed, ["*"]), "name": "kserve-container"}
    scaling = {"minReplicas": cluster.replicas, "maxReplicas": 4 * cluster.replicas, "scaleMetric": "cpu"}
    predictor = {**scaling, "scaleTarget": CPU_TARGET, **_pod(name, [container])}
    # pods get the labels of the service: others than those that the Service of the Deployment looks for
    labels = {"app.kubernetes.io/name": f"{name}-kserve", "app.kubernetes.io/managed-by": "runtree"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": cluster.namespace,
            "labels": labels,
            "annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"},
        },
        "spec": {"predictor": {**predictor, "terminationGracePeriodSeconds": SECONDS_TO_END}},
    }


def object_name(model: str) -> str:
    """Return a name that Kubernetes takes: at most 50 letters, digits and hyphens, the first a letter."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in model.lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"model-{plain}").rstrip("-")[:50].rstrip("-")


def _serving(packed: Packed, hosts: Sequence[str]) -> dict[str, Any]:
    return {
        **_container(packed, [f"serve.access.hosts=[{','.join(hosts)}]"]),
        "ports": [{"name": "http", "containerPort": PORT}],
        "startupProbe": _probe(READY, failures=60),
        "readinessProbe": _probe(READY, failures=2),
        "livenessProbe": _probe(LIVE, failures=6),
    }


def _container(packed: Packed, words: Sequence[str]) -> dict[str, Any]:
    memory = (GPU_MEMORY if packed.gpu else LEAST_MEMORY) + MODEL_FACTOR * packed.model_bytes
    gpu = {"nvidia.com/gpu": 1} if packed.gpu else {}
    return {
        "name": "runtree",
        "image": packed.image,
        "args": list(words),
        "env": [{"name": "RUNTREE_KEYS_FILE", "value": "/etc/runtree/keys.json"}],
        "resources": {
            "requests": {"cpu": "500m", "memory": _mebibytes(memory)},
            "limits": {"memory": _mebibytes(2 * memory), **gpu},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "work", "mountPath": WORK},
            {"name": "tmp", "mountPath": "/tmp"},
            *({"name": "data", "mountPath": f"{WORK}/{part}", "subPath": part} for part in SHARED),
            {"name": "keys", "mountPath": "/etc/runtree", "readOnly": True},
        ],
    }


SHARED = ("predictions", "monitoring", "rows", "scored")  # folders of the volume that jobs and services share


def _pod(name: str, containers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": list(containers),
        "volumes": [
            {"name": "work", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "data", "persistentVolumeClaim": {"claimName": f"{name}-data"}},
            # of `runtree serve keys add`; without it the service does not start on an address that others reach
            {"name": "keys", "secret": {"secretName": f"{name}-keys", "optional": True}},
        ],
    }


def _probe(path: str, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": 5,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _network(app: Mapping[str, str]) -> dict[str, Any]:
    """Return who may talk to whom: the pods of the namespace to the service, and the service to name servers."""
    names = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {
        "podSelector": {"matchLabels": dict(app)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": PORT}]}],
        "egress": [{"ports": names}],
    }


def _mebibytes(number: float) -> str:
    return f"{-(-int(number) // 2**20)}Mi"
