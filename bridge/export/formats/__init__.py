"""The formats that a sync writes, each a sink behind the protocol in `sink`."""
