"""Views: what several kinds say together about a namespace, a service or a workload."""
