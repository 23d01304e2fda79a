# The base is an argument, so that the same file builds where the public image cannot be pulled.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
# A compiler for the codec and the data plane; Debian's own Python keeps its headers apart.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && if ! [ -e "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]; then \
        apt-get install --yes --no-install-recommends python3-dev; fi
RUN python3 -m venv /opt/seawall
COPY pyproject.toml setup.py README.md LICENSE ./
COPY proxy ./proxy
RUN /opt/seawall/bin/pip install --no-cache-dir --disable-pip-version-check . \
    && /opt/seawall/bin/pip uninstall --yes --quiet pip

FROM ${BASE}
LABEL org.opencontainers.image.title="Seawall" \
      org.opencontainers.image.description="Health-aware load balancer for labelled containers" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/seawall /opt/seawall
ENV PATH=/opt/seawall/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080 9900
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=3 CMD ["seawall", "healthcheck"]
ENTRYPOINT ["seawall"]
CMD ["run"]
