"""What Kubebox asks of Kubernetes: for the client now, and for the gateway later."""
