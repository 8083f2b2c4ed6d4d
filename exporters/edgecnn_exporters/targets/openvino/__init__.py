"""OpenVINO intermediate representation (IR)."""
