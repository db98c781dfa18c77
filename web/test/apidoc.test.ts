import { describe, expect, it } from "vitest";
import * as apidoc from "../apidoc.mjs";

const { declaration, page } = apidoc as {
  declaration: (source: string, name: string) => string;
  page: () => Promise<{ text: string; wanted: string }>;
};

describe("the API section of docs/player.md", () => {
  it("is what the SDK's types say", async () => {
    const { text, wanted } = await page();
    expect(text === wanted, "docs/player.md differs from the types: npm run build, then npm run docs").toBe(true);
  });

  it("has the comments, and nothing that is private", () => {
    const source = [
      "/** Other. */", "export interface Other {", "    a: number;", "}",
      "/**", " * A thing.", " */", "export declare class Thing {",
      "    /** Theirs. */", "    readonly theirs: number;",
      "    /** Ours. */", "    private ours;", "    private alone;",
      "    /**", "     * Does it.", "     */", "    act(): void;",
      "}", "export type Word = ", '/** One. */', '"one"', ' | "two";', "export declare function go(n: number): Thing;", "",
    ].join("\n");
    expect(declaration(source, "Thing")).toBe([
      "/**", " * A thing.", " */", "class Thing {", "    /** Theirs. */", "    readonly theirs: number;",
      "    /**", "     * Does it.", "     */", "    act(): void;", "}",
    ].join("\n"));
    expect(declaration(source, "Word")).toBe('type Word = \n/** One. */\n"one"\n | "two";');
    expect(declaration(source, "go")).toBe("function go(n: number): Thing;");
    expect(() => declaration(source, "Thin")).toThrow("no exported declaration of Thin");
  });
});
