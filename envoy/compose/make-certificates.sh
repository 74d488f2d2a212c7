#!/bin/sh
# A certificate authority and what it signs, made once, for trying out: the listeners' certificate, and those by which
# brain and node know each other. Clients that verify use ca.pem.
set -eu
cd /certificates
[ -e done ] && exit 0

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj '/CN=Sluice example CA' \
  -keyout ca-key.pem -out ca.pem

# issue FOLDER NAMES USAGE USER: certificate.pem and key.pem, readable by the user of the image that reads them
issue() {
  mkdir -p "$1"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/' -keyout "$1/key.pem" -out request
  printf 'subjectAltName=critical,%s\nextendedKeyUsage=%s\n' "$2" "$3" >extensions
  openssl x509 -req -in request -CA ca.pem -CAkey ca-key.pem -days 825 -extfile extensions -out "$1/certificate.pem"
  rm request extensions
  chown "$4" "$1/key.pem"
  chmod 0400 "$1/key.pem"
}

# Listeners' keys are read by the brain (node in its image), which gives them to the node.
issue listeners DNS:*.orders.localhost,DNS:*.reports.localhost serverAuth 1000:1000
issue brain DNS:brain serverAuth 1000:1000
issue node URI:spiffe://sluice.example/node/envoy-1 clientAuth 101:101

chmod 0400 ca-key.pem
touch done
