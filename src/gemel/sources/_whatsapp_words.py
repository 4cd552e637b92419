"""WhatsApp's automatic texts in the languages it exports in.

Structure decides first (a missing sender, the invisible mark that iOS puts before automatic text, a file
name, a maps address); these lists only name what structure has found, and cover exports that lost the mark.
"""

from __future__ import annotations

import regex

__all__ = [
    "ATTACHED",
    "CALL",
    "CHAT_TITLE",
    "DELETED",
    "DELETED_BY_ME",
    "EDITED",
    "OMITTED",
    "SYSTEM",
    "kind_of_omitted",
]

CHAT_TITLE = regex.compile(
    r"^(?:WhatsApp[ -]Chat (?:with|mit|-|com|con|met|med|s|cu|dengan|ile) "
    r"|(?:Chat|Conversa|Conversación|Discussion|Cuộc trò chuyện) (?:de |do |di |trên )?WhatsApp (?:con|com|avec|với"
    r"|dengan) "
    r"|WhatsApp(?:-keskustelu|-chatt|-samtale)? (?:–|-|:|med|käyttäjän) |Чат WhatsApp с "
    r"|WhatsApp Chat - )(?P<title>.+)$",
    regex.IGNORECASE,
)
"""File name (without suffix) → who or which group the chat is with."""

_OMITTED_STEMS = (
    r"omitted|omess[oai]|omitid[oa]s?|ocult[oa]s?|omis(?:e|es)?|ausgeschlossen|ausgelassen|weggelassen|weggelaten"
    r"|dihilangkan"
    r"|tidak disertakan|dahil edilmedi|jätettiin pois|poistettu|udelad(?:t|te)|utelat|utelämnad|pominięt[oyae]"
    r"|vynechán[oay]?"
    r"|пропущен[оы]?|опущен[оы]?|без медиафайлов|bỏ qua|省略|已省略|생략"
)
OMITTED = regex.compile(
    rf"^<[^<>\n]*(?:{_OMITTED_STEMS})[^<>\n]*>|^[^<>\n:]{{2,40}} (?:{_OMITTED_STEMS})\.?$", regex.IGNORECASE
)
"""An attachment that was not exported, e.g. `<Media omitted>`, `image omitted`; a caption may follow."""

ATTACHED = regex.compile(
    r"^(?P<file>[^\n<>]+?\.\w{2,5}) \((?:file attached|Datei angehängt|archivo adjunto|fichier joint|file allegato"
    r"|arquivo anexado|ficheiro anexado|bestand bijgevoegd|файл добавлен|fil vedhæftet|fil vedlagt|bifogad fil"
    r"|plik w załączniku"
    r"|dosya ekli|file terlampir|tiedosto liitetty|đã đính kèm tệp|tệp đính kèm|ファイル添付済み|附件|文件附件|첨부파일|첨부된 파일)\)",
    regex.IGNORECASE,
)
"""Android's line for an exported attachment; a caption may follow on the next lines."""

EDITED = regex.compile(
    r"\s*\u200e?<(?:This message was edited|Diese Nachricht wurde bearbeitet|Se editó este mensaje"
    r"|Este mensaje fue editado"
    r"|Ce message a été modifié|Questo messaggio è stato modificato|Mensagem editada|Dit bericht is bewerkt"
    r"|Данное сообщение изменено|Tin nhắn này đã được chỉnh sửa|Tin nhắn đã chỉnh sửa|Bu mesaj düzenlendi"
    r"|Pesan ini telah diedit"
    r"|Pesan ini diedit|Tätä viestiä muokattiin|Wiadomość edytowana|Meddelandet har redigerats)\.?>\s*$"
    r"|\s*\u200e<[^<>:\n]{5,60}>\s*$",
    regex.IGNORECASE,
)

DELETED_BY_ME = regex.compile(
    r"^(?:You deleted this message(?: as admin)?|Du hast diese Nachricht gelöscht|Eliminaste este mensaje"
    r"|Has eliminado este mensaje"
    r"|Vous avez supprimé ce message|Hai eliminato questo messaggio|Você apagou esta mensagem|Mensagem apagada por você"
    r"|Eliminou esta mensagem|Je hebt dit bericht verwijderd|Вы удалили данное сообщение|Bạn đã xóa tin nhắn này"
    r"|Bu mesajı sildiniz"
    r"|Anda menghapus pesan ini|Poistit tämän viestin|Usunięto tę wiadomość przez Ciebie"
    r"|Du raderade det här meddelandet)\.?$",
    regex.IGNORECASE,
)

DELETED = regex.compile(
    r"^(?:This message was deleted(?: by admin .+)?|Message deleted|Diese Nachricht wurde gelöscht"
    r"|Se eliminó este mensaje"
    r"|Este mensaje fue eliminado|Ce message a été supprimé|Questo messaggio è stato eliminato|Mensagem apagada"
    r"|Esta mensagem foi apagada"
    r"|Esta mensagem foi eliminada|Dit bericht is verwijderd|Данное сообщение удалено|Это сообщение удалено"
    r"|Tin nhắn này đã bị xóa"
    r"|Bu mesaj silindi|Pesan ini telah dihapus|Pesan ini dihapus|Tämä viesti poistettiin|Ta wiadomość została usunięta"
    r"|Det här meddelandet raderades)\.?$",
    regex.IGNORECASE,
)

CALL = regex.compile(
    r"^(?:(?:Missed|Silenced)? ?(?:group )?(?:voice|video) call|Verpasster? (?:Sprach|Video)anruf|(?:Sprach"
    r"|Video)anruf|Llamada (?:perdida )?de (?:voz|video)"
    r"|Videollamada|Appel (?:vocal|vidéo) manqué|Appel (?:vocal|vidéo)|(?:Chiamata|Videochiamata) (?:vocale )?persa"
    r"|Chiamata vocale|Chamada de (?:voz|vídeo)"
    r"|Gemiste (?:spraak|video)oproep|(?:Cuộc gọi|Đã lỡ cuộc gọi) (?:thoại|video))\b.{0,60}$",
    regex.IGNORECASE,
)

SYSTEM = regex.compile(
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
    regex.IGNORECASE,
)
"""Group events and notices; tried on lines without a sender mark, or whose sender holds a quotation mark."""

_VOICE = regex.compile(r"audio|voice|ptt|sprach|voz|vocal|spraak|ghi âm|голос|音", regex.IGNORECASE)
_STICKER = regex.compile(r"sticker|figurinha|стикер|nhãn dán|スタンプ|스티커|贴图", regex.IGNORECASE)
_CONTACT = regex.compile(r"contact|kontakt|contatto|contato|контакт|liên hệ", regex.IGNORECASE)


def kind_of_omitted(text: str) -> str:
    """Which kind of attachment an automatic text names: voice, sticker, contact or media."""
    if _VOICE.search(text):
        return "voice"
    if _STICKER.search(text):
        return "sticker"
    return "contact" if _CONTACT.search(text) else "media"
