"""Write numbered blocks of all byte values to a raw terminal until a line is typed, then say how many, and end."""

import os
import select
import sys
import tty

pause_s, most = float(sys.argv[1]), int(sys.argv[2])
tty.setraw(0)
block = bytes(range(256)) * 4
count = 0
while count < most and not select.select([0], [], [], pause_s)[0]:
    data = b"%010d" % count + block
    while data:
        data = data[os.write(1, data) :]
    count += 1
os.write(1, b"end %010d" % count)
