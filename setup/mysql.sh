#!/usr/bin/env bash
# MySQL 8.0 Community, server and command line, for the optional suite: 553 MB to fetch, 250 MB to keep.
set -euo pipefail
read -r artifact sha256 <setup/mysql.txt
zip=build/mysql.zip
trap 'rm -rf "$zip" build/mysql.new build/maven/com/jcabi' EXIT
setup/maven.sh "$artifact" "$sha256" "$zip"
rm -rf build/mysql build/mysql.new
python3 - "$zip" build/mysql.new <<'PYTHON'
import sys, zipfile

archive, folder = sys.argv[1:]
wanted = ("bin/mysql", "bin/mysqld", "bin/mysqldump")
folders = ("lib/private/", "share/english/", "share/charsets/", "share/messages_to", "LICENSE")
with zipfile.ZipFile(archive) as packed:
    for name in packed.namelist():
        if name in wanted or name.startswith(folders):
            packed.extract(name, folder)
PYTHON
chmod +x build/mysql.new/bin/*
build/mysql.new/bin/mysqld --no-defaults --version
mv build/mysql.new build/mysql
