"""The bench: questions, own answers, systems, controls, and judges kept from deciding by place or length."""
