"""The commands of `particle-bridge`: their help, their options and what they print."""
