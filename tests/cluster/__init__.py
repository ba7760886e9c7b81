"""Every Kubernetes tool on a cluster: the demo's, or a real one."""
