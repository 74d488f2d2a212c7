#!/usr/bin/env bash
# maven.sh ARTIFACT SHA256 FILE: an artifact (group:name:version:type[:classifier]) by Maven's own client, into FILE;
# refused when it is not the one that is pinned.
set -euo pipefail
artifact=$1 sha256=$2 file=$3
if ! command -v mvn >/dev/null; then
  echo "setup: missing mvn: Maven and a Java 17 or newer, as root: apt-get install maven openjdk-17-jdk-headless" >&2
  exit 1
fi
arriving=$(mktemp -d)
trap 'rm -rf "$arriving"' EXIT
mvn --batch-mode --quiet -Dmaven.repo.local="$PWD/build/maven" \
  org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
  -Dartifact="$artifact" -DoutputDirectory="$arriving" -Dmdep.stripVersion=true
arrived=("$arriving"/*)
echo "$sha256  ${arrived[0]}" | sha256sum --check --quiet
mkdir -p "$(dirname "$file")"
mv -f "${arrived[0]}" "$file"
