// Packs the built folder so that the same files give the same bytes: sorted names, one date, nothing compressed.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { crc32 } from "node:zlib";

const root = ".output/chrome-mv3";
const target = ".output/gemel-extension.zip";
const DATE = (2026 - 1980) * 512 + 1 * 32 + 1; // 1 January 2026, midnight, as MS-DOS counts

const names = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
  .sort();

function header(signature, name, data, offset) {
  const central = offset !== undefined;
  const out = Buffer.alloc(central ? 46 : 30);
  let at = out.writeUInt32LE(signature, 0);
  if (central) at = out.writeUInt16LE(20, at);
  for (const value of [20, 0x800, 0, 0, DATE]) at = out.writeUInt16LE(value, at);
  for (const value of [crc32(data), data.length, data.length]) at = out.writeUInt32LE(value, at);
  out.writeUInt16LE(Buffer.byteLength(name), at);
  if (central) out.writeUInt32LE(offset, 42);
  return Buffer.concat([out, Buffer.from(name)]);
}

const parts = [];
const listed = [];
let offset = 0;
for (const name of names) {
  const data = readFileSync(join(root, name));
  const local = header(0x04034b50, name, data);
  parts.push(local, data);
  listed.push(header(0x02014b50, name, data, offset));
  offset += local.length + data.length;
}
const central = Buffer.concat(listed);
const end = Buffer.alloc(22);
end.writeUInt32LE(0x06054b50, 0);
end.writeUInt16LE(names.length, 8);
end.writeUInt16LE(names.length, 10);
end.writeUInt32LE(central.length, 12);
end.writeUInt32LE(offset, 16);
writeFileSync(target, Buffer.concat([...parts, central, end]));
console.log(`${target}: ${names.length} files`);
