// What is stored, whose words it is, what the voice knows by heart, which devices come in, and how to take it or forget it.
import type { Props } from "../../App";
import { Page } from "../../ui";
import { t } from "../../words";
import { Audit } from "./Audit";
import { Devices } from "./Devices";
import { People } from "./People";
import { Stored } from "./Stored";
import { Take } from "./Take";

export default function Privacy({ twin, renew }: Props) {
  return (
    <Page title={t.privacyTitle} lead={t.privacyLead}>
      <Stored />
      <People renew={renew} />
      {twin?.run && <Audit />}
      <Devices />
      <Take />
    </Page>
  );
}
