"""WhatsApp's automatic texts in the languages it exports in.

Structure decides first (a missing sender, the invisible mark that iOS puts before automatic text, a file
name, a maps address); these lists only name what structure has found, and cover exports that lost the mark.
"""

from __future__ import annotations

import re

__all__ = [
    "ATTACHED",
    "CALL",
    "CALL_END",
    "CHAT_TITLE",
    "DELETED",
    "DELETED_BY_ME",
    "EDITED",
    "SYSTEM",
    "kind_of_omitted",
    "omitted",
]

CHAT_TITLE = re.compile(
    r"^(?:WhatsApp[ -]Chat (?:with|mit|-|com|con|met|med|s|cu|dengan|ile) "
    r"|(?:Chat|Conversa|Conversación|Discussion|Cuộc trò chuyện) (?:de |do |di |trên )?WhatsApp (?:con|com|avec|với"
    r"|dengan) "
    r"|WhatsApp(?:-keskustelu|-chatt|-samtale)? (?:–|-|:|med|käyttäjän) |Чат WhatsApp с "
    r"|WhatsApp Chat - )(?P<title>.+)$",
    re.IGNORECASE,
)
"""File name (without suffix) → who or which group the chat is with."""

_OMITTED = (
    *("omitted", "omesso", "omessa", "omessi", "omitido", "omitida", "omitidos", "oculta", "oculto", "omis", "omise"),
    *("ausgeschlossen", "ausgelassen", "weggelassen", "weggelaten", "dihilangkan", "disertakan", "edilmedi", "pois"),
    *("poistettu", "udeladt", "udeladte", "utelat", "utelämnad", "pominięto", "pominięty", "pominięte", "vynechán"),
    *("пропущен", "пропущено", "опущен", "опущены", "медиафайлов", "bỏ qua", "省略", "생략"),
)
"""How the placeholder of an attachment ends that was not exported."""


_THINGS = frozenset({"media", "image", "video", "audio", "gif", "sticker", "document", "contact card", "video note"})


def omitted(line: str, *, automatic: bool) -> bool:
    """Whether a line stands for an attachment that was not exported: `<Media omitted>`, `image omitted`."""
    if line.startswith("<"):
        return line.endswith(">") and line[:-1].rstrip(".").lower().endswith(_OMITTED)
    if not automatic:  # an export that lost iOS's mark; known in English only
        return line.endswith(" omitted") and line[:-8].lower() in _THINGS
    return len(line) < 60 and ":" not in line and " " in line and line.rstrip(".").lower().endswith(_OMITTED)


ATTACHED = re.compile(
    r"^(?P<file>[^\n<>]+?\.\w{2,5}) \((?:file attached|Datei angehängt|archivo adjunto|fichier joint|file allegato"
    r"|arquivo anexado|ficheiro anexado|bestand bijgevoegd|файл добавлен|fil vedhæftet|fil vedlagt|bifogad fil"
    r"|plik w załączniku"
    r"|dosya ekli|file terlampir|tiedosto liitetty|đã đính kèm tệp|tệp đính kèm"
    r"|ファイル添付済み|附件|文件附件|첨부파일|첨부된 파일)\)",
    re.IGNORECASE,
)
"""Android's line for an exported attachment; a caption may follow on the next lines."""

EDITED = re.compile(
    r"\s*\u200e?<(?:This message was edited|Diese Nachricht wurde bearbeitet|Se editó este mensaje"
    r"|Este mensaje fue editado"
    r"|Ce message a été modifié|Questo messaggio è stato modificato|Mensagem editada|Dit bericht is bewerkt"
    r"|Данное сообщение изменено|Tin nhắn này đã được chỉnh sửa|Tin nhắn đã chỉnh sửa|Bu mesaj düzenlendi"
    r"|Pesan ini telah diedit"
    r"|Pesan ini diedit|Tätä viestiä muokattiin|Wiadomość edytowana|Meddelandet har redigerats)\.?>\s*$"
    r"|\s*\u200e<[^<>:\n]{5,60}>\s*$",
    re.IGNORECASE,
)

DELETED_BY_ME = frozenset(
    {
        *("you deleted this message", "you deleted this message as admin", "du hast diese nachricht gelöscht"),
        *("eliminaste este mensaje", "has eliminado este mensaje", "vous avez supprimé ce message"),
        *("hai eliminato questo messaggio", "você apagou esta mensagem", "mensagem apagada por você"),
        *("eliminou esta mensagem", "je hebt dit bericht verwijderd", "вы удалили данное сообщение"),
        *("bạn đã xóa tin nhắn này", "bu mesajı sildiniz", "anda menghapus pesan ini", "poistit tämän viestin"),
        *("usunięto tę wiadomość przez ciebie", "du raderade det här meddelandet"),
    }
)
"""Whole texts, lower case and without the full stop, as are those below."""

DELETED = frozenset(
    {
        *("this message was deleted", "message deleted", "diese nachricht wurde gelöscht", "se eliminó este mensaje"),
        *("este mensaje fue eliminado", "ce message a été supprimé", "questo messaggio è stato eliminato"),
        *("mensagem apagada", "esta mensagem foi apagada", "esta mensagem foi eliminada", "dit bericht is verwijderd"),
        *("данное сообщение удалено", "это сообщение удалено", "tin nhắn này đã bị xóa", "bu mesaj silindi"),
        *("pesan ini telah dihapus", "pesan ini dihapus", "tämä viesti poistettiin", "ta wiadomość została usunięta"),
        *("det här meddelandet raderades", "this message was deleted by admin"),
    }
)

CALL = (
    *("missed voice call", "missed video call", "missed group v", "silenced v", "voice call", "video call"),
    *("group voice call", "group video call", "verpasster sprachanruf", "verpasster videoanruf", "sprachanruf"),
    *("videoanruf", "llamada perdida de", "llamada de voz", "videollamada", "appel vocal", "appel vidéo"),
    *("chiamata persa", "chiamata vocale", "videochiamata", "chamada de v", "gemiste spraakoproep"),
    *("gemiste video-oproep", "gemiste video", "cuộc gọi thoại", "cuộc gọi video", "đã lỡ cuộc gọi"),
)
"""How calls begin."""

CALL_END = re.compile(r"(?:[.,:]? ?\u200e?\d.{0,20}|[.,:]? ?(?:at|um|a las|à|alle|lúc) \d.{0,12})?")
"""What may follow: nothing, a duration, a time."""

SYSTEM = re.compile(
    r"end-to-end encrypted|Ende-zu-Ende|de extremo a extremo|de bout en bout|crittografia end-to-end"
    r"|de ponta a ponta|mã hóa đầu cuối"
    r"|сквозн\w+ шифров|end-to-end-versleuteld|uçtan uca|päästä päähän"
    r"| (?:created|changed) (?:this |the )?(?:group|subject|icon)| changed the (?:subject|group|settings)"
    r"| changed (?:this|their|your) "
    r"| changed to \+?\d| (?:joined using|added|removed|left$|left\.$)| pinned a message|security code"
    r"|disappearing messages"
    r"| hat (?:die Gruppe|den Betreff|das Gruppenbild|.+ hinzugefügt)| (?:ist beigetreten|hat die Gruppe verlassen)"
    r"|Sicherheitsnummer"
    r"| (?:creó (?:el|este) grupo|cambió (?:el asunto|el ícono|la descripción|su número)|añadió a |salió del grupo)"
    r"| (?:a créé le groupe|a changé |a ajouté |a quitté)| (?:ha creato il gruppo|ha cambiato |ha aggiunto "
    r"|ha abbandonato)"
    r"| (?:criou o grupo|mudou |adicionou |saiu$)| (?:đã tạo nhóm|đã thêm |đã rời|đã thay đổi|đã đổi)",
    re.IGNORECASE,
)
"""Group events and notices; tried on lines without a sender mark, or whose sender holds a quotation mark."""

_VOICE = re.compile(r"audio|voice|ptt|sprach|voz|vocal|spraak|ghi âm|голос|音", re.IGNORECASE)
_STICKER = re.compile(r"sticker|figurinha|стикер|nhãn dán|スタンプ|스티커|贴图", re.IGNORECASE)
_CONTACT = re.compile(r"contact|kontakt|contatto|contato|контакт|liên hệ", re.IGNORECASE)


def kind_of_omitted(text: str) -> str:
    """Which kind of attachment an automatic text names: voice, sticker, contact or media."""
    if _VOICE.search(text):
        return "voice"
    if _STICKER.search(text):
        return "sticker"
    return "contact" if _CONTACT.search(text) else "media"
