"""`make test-live`: what the real API sends, held against the schemas and against what the Device Cloud assumes.

It reads, and reads little: `wire` lets no more than 50 requests pass, none of which writes or reaches a device.
"""
