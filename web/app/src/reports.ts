// Pages that stages wrote, opened in a tab of their own by a link that works once.
import { client, got } from "./api";

/** Opens a report; the tab is opened at once, since a browser lets no page open one later. */
export async function openReport(report: string): Promise<void> {
  const tab = open("about:blank");
  try {
    const { path } = await got(client.POST("/api/reports/{report}/link", { params: { path: { report } } }));
    if (!tab) location.assign(path);
    else {
      tab.opener = null;
      tab.location.href = path;
    }
  } catch (error) {
    tab?.close();
    throw error;
  }
}
