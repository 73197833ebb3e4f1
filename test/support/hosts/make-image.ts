import { isImageName, makeImage } from "./images.ts";

// `node make-image.ts NAME`: see `imageRoot`, which starts it under a lock.
const name = process.argv[2];
if (!isImageName(name)) throw new Error(`there is no image ${name}`);
await makeImage(name);
