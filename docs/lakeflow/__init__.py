"""What goes into the repository of the Lakeflow framework, made of manifest.yaml and the templates beside this file."""
