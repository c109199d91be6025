#!/usr/bin/env bash
# Takes the pictures of docs/pictures: a server, a Prometheus beside it, the shop of
# examples/shop for some minutes, and a browser that draws the pages of this tool.
# Needs prometheus and chromium of Debian.
#
#   tools/pictures/take.sh [SECONDS]
set -euo pipefail
length=${1:-240}
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

export CGO_ENABLED=0
(cd cmd/mainstem && go build -o "$work/mainstem" .)
(cd examples/shop && go build -o "$work/shop" .)
(cd tools/pictures && GOWORK=off go build -o "$work/pictures" .)

cat > "$work/prometheus.yml" <<END
global: {scrape_interval: 5s}
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ["127.0.0.1:9464", "127.0.0.1:9466"]}]
END
export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
"$work/mainstem" serve --dir "$work/data" --listen 127.0.0.1:7191 --metrics 127.0.0.1:9464 > "$work/serve.log" 2>&1 &
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address=127.0.0.1:9465 > "$work/prometheus.log" 2>&1 &
until curl -sf http://127.0.0.1:7191/readyz > "$work/ready" && curl -sf http://127.0.0.1:9465/-/ready > "$work/ready"; do sleep 0.2; done
# One request is enough, once the shop is warm; the collector ends with it.
"$work/pictures" trace -listen 127.0.0.1:4318 -after "$((length / 2))s" -patience "${length}s" > "$work/trace.html" &
trace=$!
"$work/shop" -server http://127.0.0.1:7191 -metrics 127.0.0.1:9466 -for "${length}s" > "$work/shop.log" 2>&1
wait "$trace"
"$work/pictures" dashboard -prometheus http://127.0.0.1:9465 -over "${length}s" deploy/grafana/mainstem-node.json > "$work/dashboard.html"

mkdir -p docs/pictures
shoot() { # NAME HEIGHT
	chromium --headless --no-sandbox --hide-scrollbars --user-data-dir="$work/browser" --window-size="1470,$2" \
		--screenshot="docs/pictures/$1.png" "file://$work/$1.html" > "$work/chromium.log" 2>&1
}
shoot dashboard 4490
shoot trace 200
