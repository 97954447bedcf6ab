// Runs the core in MicroPython on WebAssembly: 32-bit words, small integers of 31 bits.
//
//   node run.mjs FOLDER COUNTRY FILE ...    FOLDER: node_modules and core/, see test_32_bit.py
//
// Prints for each telegram how many values were unusable and its JSON; first the largest integer.

import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, country, ...files] = process.argv.slice(2);
const name = "node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs";
const { loadMicroPython } = await import(pathToFileURL(join(folder, name)));

const micropython = await loadMicroPython({
    heapsize: 512 * 1024,
    stdout: (line) => process.stdout.write(line + "\n"),
    linebuffer: true,
});

function copy(from, to) {
    for (const entry of readdirSync(from)) {
        const [source, target] = [join(from, entry), `${to}/${entry}`];
        if (statSync(source).isDirectory()) {
            micropython.FS.mkdir(target);
            copy(source, target);
        } else {
            micropython.FS.writeFile(target, readFileSync(source));
        }
    }
}

micropython.FS.mkdir("/core");
copy(join(folder, "core"), "/core");
files.forEach((file, number) => micropython.FS.writeFile(`/${number}`, readFileSync(file)));

micropython.runPython(`
import sys

sys.path.append("/core")
from p1.decode import decode
from p1.framer import Framer
from p1.reading import Reading
from p1.render.json import Json

print(sys.maxsize)
reading = Reading("${country}")
json = Json()

def show(telegram, size):
    decode(telegram, size, reading)
    page = json.render(reading)
    print(reading.rejected, str(page.bytes[: page.size], "utf-8"))

framer = Framer(show)
for number in range(${files.length}):
    with open("/%d" % number, "rb") as file:
        chunk = file.read(200)
        while chunk:
            framer.feed(chunk, len(chunk))
            chunk = file.read(200)
print(framer.good, framer.crc, framer.overflow, framer.framing)
`);
