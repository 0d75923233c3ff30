"""The formats that a sync writes; each is a sink with the protocol of `sink`."""
