"""The commands: thin absl mains over the package."""
