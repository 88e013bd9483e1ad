# syntax=docker/dockerfile:1
# docker build -t sower .
# docker run --stop-timeout 60 -p 127.0.0.1:7697:7697 -v sower:/var/lib/sower sower
# If clients use another name than localhost or an address (a Compose service, for example): -e SOWERD_HOSTS=sower
ARG BASE=debian:13-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /src
COPY Makefile ./
RUN make deps-build PACKAGES_PYTHON=
COPY core core
COPY proto proto
COPY server server
COPY client client
RUN make install-programs DESTDIR=/out

FROM ${BASE}
COPY --from=build /out/usr/local /usr/local
# Debian 13 has libmicrohttpd 1.0.1, which has bugs that later versions fix (docs/security.md), and no package for
# Debian 13 has the fixes. So this one library comes from the next release of Debian; its package needs nothing that
# Debian 13 does not have, and the pins exclude all other packages. The daemon's guards work with both versions.
# Another base (Debian 12: 0.9.75) keeps its own library.
RUN set -e; . /etc/os-release; [ "$VERSION_CODENAME" = trixie ] || exit 0; \
    sed '/^$/,$d; s/^Suites:.*/Suites: forky/' /etc/apt/sources.list.d/debian.sources >/etc/apt/sources.list.d/forky.sources; \
    printf 'Package: %s\nPin: release n=forky\nPin-Priority: %s\n\n' libmicrohttpd12t64 990 '*' -1 >/etc/apt/preferences.d/forky
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl \
        libcurl4 libjansson4 libmicrohttpd12 libpq5 libsodium23 libsqlite3-0 libsystemd0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/sower --create-home --shell /usr/sbin/nologin sower \
    && ldd /usr/local/bin/sowerd /usr/local/bin/sow | { ! grep 'not found'; }
USER sower
ENV SOWERD_LISTEN=0.0.0.0:7697 SOWERD_STATE=/var/lib/sower
VOLUME /var/lib/sower
EXPOSE 7697
# /healthz, not /readyz: an unhealthy container may be killed, and a daemon that upgrades its ledger is not ready yet.
HEALTHCHECK --interval=10s --timeout=3s CMD curl -fsS http://127.0.0.1:7697/healthz || exit 1
ENTRYPOINT ["/usr/local/bin/sowerd"]
