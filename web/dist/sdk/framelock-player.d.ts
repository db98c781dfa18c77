export * from "./types/element.js";
