import { defineConfig } from "wxt";

/**
 * Loopback only at install; every other site is asked for when its owner wants it.
 *
 * Chrome silently drops a suggested key that it uses itself: Alt+Shift+T (toolbar) and Alt+Shift+R (reading mode) are taken.
 */
export default defineConfig({
  outDir: ".output",
  manifestVersion: 3,
  // Without its notes on where modules lay, the bundle is the same wherever it is built.
  vite: () => ({
    build: { minify: false, sourcemap: false, rolldownOptions: { experimental: { attachDebugInfo: "none" } } },
  }),
  manifest: {
    name: "gemel: your twin where you write",
    description: "Drafts replies as you, from your own gemel server. It inserts, and never sends.",
    minimum_chrome_version: "120",
    permissions: ["activeTab", "contextMenus", "scripting", "sidePanel", "storage"],
    host_permissions: ["http://127.0.0.1/*", "http://localhost/*"],
    optional_host_permissions: ["http://*/*", "https://*/*"],
    action: { default_title: "gemel" },
    side_panel: { default_path: "panel.html" },
    omnibox: { keyword: "twin" },
    commands: {
      _execute_action: { suggested_key: { default: "Alt+Shift+G" }, description: "Open the panel" },
      reply: { suggested_key: { default: "Alt+Shift+Y" }, description: "Reply as me in this text box" },
    },
    content_security_policy: {
      extension_pages:
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src http: https:; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    },
  },
});
