#!/bin/sh
# Notes what a driver starts the tool with, then becomes the tool.
case "$1" in
  init | plan | apply)
    to="/work/probe/$1"
    rm -rf "$to"
    mkdir -p "$to/tree"
    env -0 > "$to/env"
    printf '%s\0' "$@" > "$to/arguments"
    find . -type f -not -path './.terraform/*' -exec cp --parents '{}' "$to/tree" ';'
    ;;
esac
exec @TOOL@ "$@"
