# What a thief's hook tries from inside a sandbox. Prints one line for each: what it tried, and what it got.
# Changes nothing where it succeeds: somebody may run it outside.
# `probe WHAT COMMAND…`: whatever COMMAND prints is loot.
set +e
probe() {
  what=$1
  shift
  got=$(timeout 5 "$@" 2>/dev/null </dev/null | head -c 200 | tr '\n\0' '  ')
  echo "probe: $what => ${got:-nothing}"
}
# Inputs are not secrets, and their names may say otherwise.
probe "find secrets in the environment" bash -c 'env | grep -v "^TF_" | grep -iE "token|secret|password|credential|api_?key|aws_"'
probe "read the runner's environment" bash -c 'cat /proc/[0-9]*/environ | tr "\0" "\n" | grep PORTCULLIS_DEMO'
probe "see the runner's process" bash -c 'cat /proc/[0-9]*/cmdline | tr "\0" " " | grep -o "[p]ortcullis serve"'
probe "read the runner's data folder" bash -c 'ls @DATA@; cat @DATA@/* @DATA@/*/*'
probe "read the folder of all runners" bash -c 'ls @RUNNERS@ @FOLDER@; cat @RUNNERS@/secret'
probe "find keys and databases anywhere" bash -c 'find / \( -path /proc -o -path /usr -o -path /sys \) -prune -o \( -name "*.db" -o -name "*.sqlite*" -o -name "*.key" -o -name "id_*" \) -print'
probe "see the processes of other tasks" bash -c 'for p in /proc/[0-9]*; do tr "\0" " " < $p/cmdline; done | grep -oE "[t]erraform apply|[t]ofu apply"'
probe "read password hashes" cat /etc/shadow
probe "reach the metadata service" bash -c 'exec 3<>/dev/tcp/169.254.169.254/80 && echo connected'
probe "reach the internet" bash -c 'exec 3<>/dev/tcp/1.1.1.1/443 && echo connected'
probe "ask a name server" getent hosts github.com
probe "reach the runner's own API" bash -c 'exec 3<>/dev/tcp/@RUNNER@ && echo connected'
probe "reach the issuer" bash -c 'exec 3<>/dev/tcp/@ISSUER@ && echo connected'
door=${HTTP_PROXY:-$http_proxy}
door=${door#http://}
door=${door%/}
export door="${door%:*}/${door##*:}"
probe "read another unit's state" bash -c 'exec 3<>/dev/tcp/$door && printf "GET http://state.portcullis/dev/us-east-1/data-stores/postgres HTTP/1.0\r\nHost: state.portcullis\r\n\r\n" >&3 && head -1 <&3 | grep " 200"'
probe "write its state while planning" bash -c 'exec 3<>/dev/tcp/$door && printf "POST http://state.portcullis/dev/us-east-1/mgmt/kms-key HTTP/1.0\r\nHost: state.portcullis\r\nContent-Length: 2\r\n\r\n{}" >&3 && head -1 <&3 | grep " 200"'
probe "reach the metadata service through the door" bash -c 'exec 3<>/dev/tcp/$door && printf "GET http://169.254.169.254/latest/meta-data/ HTTP/1.0\r\nHost: 169.254.169.254\r\n\r\n" >&3 && head -1 <&3 | grep " 200"'
probe "write to the checkout" bash -c 'test -w /repo/root.hcl && echo writable'
probe "mount in namespaces of its own" bash -c 'unshare --user --map-root-user --mount mount -t tmpfs none /mnt && echo mounted'
exit 0
