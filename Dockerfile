# The source as Airbyte runs it: `docker build --tag airbyte/source-particle .`, or `make image` without Docker.
# Any base with Python 3.10 to 3.13, pip, venv and the user airbyte will do. What the base holds in the pinned versions,
# as the published one does the CDK, is not installed twice.
ARG BASE_IMAGE=airbyte/source-declarative-manifest:7.39.1

FROM ${BASE_IMAGE} AS build
USER root
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE manifest.yaml ./
COPY source_particle source_particle
COPY bridge bridge
# As variables, the constraints also hold for what builds the package; newer versions of pip look for the second one.
ENV PIP_CONSTRAINT=/build/constraints.txt PIP_BUILD_CONSTRAINT=/build/constraints.txt
RUN python3 -m venv --without-pip --system-site-packages /airbyte/source-particle \
    && python3 -m pip --python /airbyte/source-particle install --no-cache-dir .

FROM ${BASE_IMAGE}
COPY --from=build /airbyte/source-particle /airbyte/source-particle
USER airbyte
ENV AIRBYTE_ENTRYPOINT="/airbyte/source-particle/bin/source-particle"
ENTRYPOINT ["/airbyte/source-particle/bin/source-particle"]
LABEL io.airbyte.name="airbyte/source-particle" io.airbyte.version="0.2.0"
