# docker build -t tapedeck .
# docker run -v /srv/tape:/var/lib/tapedeck -v ./feeds.yaml:/etc/tapedeck/feeds.yaml:ro -p 127.0.0.1:9464:9464 tapedeck \
#     record -a /var/lib/tapedeck/tape -c /etc/tapedeck/feeds.yaml --status-listen 0.0.0.0:9464
# The folder on the host must belong to the image's user: docker run --rm --entrypoint id tapedeck
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends git make
COPY . /src
WORKDIR /src
RUN make deb

FROM debian:bookworm-slim
COPY --from=build /src/build/deb/tapedeck_*.deb /tmp/
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates /tmp/tapedeck_*.deb \
    && rm -rf /tmp/tapedeck_*.deb /var/lib/apt/lists/*
USER tapedeck
VOLUME /var/lib/tapedeck
STOPSIGNAL SIGTERM
ENTRYPOINT ["tapedeck"]
