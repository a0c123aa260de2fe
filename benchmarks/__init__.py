"""What Bullpen's parts cost beside the limit of this machine, as ratios measured in one run: `make bench`.

A limit is the least program that does the same work: raw SQLite, a bare handler, a loop of writes. It runs interleaved
with ours, and a figure is the median of the ratios of the rounds. Absolute rates depend on the machine and its mood.

    __main__   runs all and prints one table        figure     what one result is
    store      the store beside raw SQLite          raw_commit its limit
    slow_disk  the store on a disk that syncs slowly
    send       POST /api/send beside HTTP + commit  echo       its other limit        load         its clients
    stream     fan-out of events beside os.write    write_loop its limit              subscribers  its clients
    idle       memory of a subscriber that waits
    mcp_call   a tool call beside the same operation by REST
    push       how a message wakes the real Claude Code, beside a bare push
    office     a real server in a process of its own                                  child        our other processes
"""
