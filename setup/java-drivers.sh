#!/usr/bin/env bash
# The JDBC drivers, checked against their pinned hashes, and the client that the end-to-end tests run with them.
set -euo pipefail
rm -rf build/clients/java
while read -r artifact sha256; do
  IFS=: read -r _ name _ <<<"$artifact"
  setup/maven.sh "$artifact" "$sha256" "build/clients/java/$name.jar"
done <setup/java-drivers.txt
javac -Xlint:all -Werror -d build/clients/java test/e2e/clients/java/*.java
