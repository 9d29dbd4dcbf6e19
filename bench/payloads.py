"""Webhook bodies as a cluster's Alertmanager writes them."""

import json


def payload(alerts: int, group: int, token: str = "") -> bytes:
    """A body of so many firing alerts, of a group of its own. `token` makes every alert's instance
    one that no other run has."""
    shared = {
        "alertname": f"HostHighCpu{group % 50}",
        "rack": f"r{token}{group}",
        "severity": "critical",
        "cluster": "prod-eu-1",
        "team": "sre",
        "job": "node-exporter",
        "namespace": "monitoring",
    }
    runbook = {"runbook_url": "https://runbooks.example.org/HostHighCpu"}
    listed = []
    for number in range(alerts):
        host = f"{token or 'host'}-{group}-{number}.eu1"
        annotations = {
            "summary": f"High CPU on {host}",
            "description": f"CPU usage of 10.1.2.{number}:9100 <b>above</b> 92.4% for more than "
            "10 minutes & rising (value: 0.9241)",
        }
        listed.append(
            {
                "status": "firing",
                "labels": {**shared, "instance": f"{host}:9100"},
                "annotations": annotations | runbook,
                "startsAt": "2026-01-01T00:00:00.123Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://prometheus.example.org/graph?g0.expr=avg%28rate%28"
                "node_cpu_seconds_total%5B5m%5D%29%29+%3E+0.9&g0.tab=1",
                "fingerprint": f"{group << 12 | number:016x}",
            }
        )
    body = {
        "version": "4",
        "groupKey": f'{{}}/{{severity="critical"}}:{{rack="{shared["rack"]}"}}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "relay",
        "groupLabels": {"alertname": shared["alertname"], "rack": shared["rack"]},
        "commonLabels": shared,
        "commonAnnotations": runbook,
        "externalURL": "https://alertmanager.example.org",
        "alerts": listed,
    }
    return json.dumps(body).encode()
