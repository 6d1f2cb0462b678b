# Runs one throw-away PostgreSQL for the process that holds the other end of standard input. When that process ends, however it
# ends, `read` meets the end of file: the server is stopped and its directory removed.
#
#   sh guard.sh PROGRAMS DIRECTORY, then on standard input: start, stop. Each is answered by one line: ok, or failed.

programs=$1
directory=$2

control() {
    if "$programs/pg_ctl" -s -D "$directory/data" "$@" </dev/null >>"$directory/control.log" 2>&1; then
        echo ok
    else
        echo failed
    fi
}

while read -r command; do
    case $command in
        start) control -w -t 120 -l "$directory/server.log" start ;;
        stop) control -m immediate stop ;;
    esac
done

if [ -f "$directory/data/postmaster.pid" ]; then
    "$programs/pg_ctl" -s -D "$directory/data" -m immediate stop </dev/null >/dev/null 2>&1
fi
rm -rf "$directory"
