CREATE TABLE public.ai_response_queue (
    id character varying(128) NOT NULL,
    workflow_id character varying(128) NOT NULL,
    text text NOT NULL,
    confidence double precision NOT NULL,
    status character varying(32) NOT NULL,
    notified_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.approval_audit_log (
    id integer NOT NULL,
    response_queue_id character varying(128) NOT NULL,
    action character varying(32) NOT NULL,
    manager_id character varying(128) NOT NULL,
    text text,
    reason text,
    created_at timestamp with time zone NOT NULL
);

CREATE SEQUENCE public.approval_audit_log_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.approval_audit_log_id_seq OWNED BY public.approval_audit_log.id;

CREATE TABLE public.escalation_events (
    id character varying(128) NOT NULL,
    conversation_id character varying(128) NOT NULL,
    workflow_id character varying(128),
    type character varying(32) NOT NULL,
    severity character varying(32) NOT NULL,
    detection character varying(32) NOT NULL,
    reason text,
    notified_at timestamp with time zone,
    resolved_at timestamp with time zone,
    resolved_by character varying(128),
    note text,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.payment_plan_attempts (
    id character varying(128) NOT NULL,
    conversation_id character varying(128) NOT NULL,
    tenant_id character varying(128) NOT NULL,
    workflow_id character varying(128),
    weekly_dollars double precision,
    weeks integer,
    result character varying(32) NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.rollup_leases (
    name character varying(40) NOT NULL,
    holder character varying(32) NOT NULL,
    until double precision NOT NULL
);

COMMENT ON COLUMN public.rollup_leases.until IS 'Unix time';

CREATE TABLE public.rollup_rows (
    resolution integer NOT NULL,
    kind character varying(10) NOT NULL,
    bucket_start bigint NOT NULL,
    writer character varying(32) NOT NULL,
    series bytea NOT NULL,
    counts bytea NOT NULL,
    sums bytea NOT NULL,
    minimums bytea NOT NULL,
    maximums bytea NOT NULL,
    bin_places bytea NOT NULL,
    bin_keys bytea NOT NULL,
    bin_counts bytea NOT NULL
);

COMMENT ON COLUMN public.rollup_rows.resolution IS 'seconds';

COMMENT ON COLUMN public.rollup_rows.bucket_start IS 'Unix time';

CREATE TABLE public.rollup_schema (
    id integer NOT NULL,
    version integer NOT NULL
);

CREATE TABLE public.rollup_series (
    id integer NOT NULL,
    name character varying(400) NOT NULL
);

COMMENT ON COLUMN public.rollup_series.name IS 'metric{label="value"}';

CREATE SEQUENCE public.rollup_series_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.rollup_series_id_seq OWNED BY public.rollup_series.id;

CREATE TABLE public.rollup_writers (
    id character varying(32) NOT NULL,
    host character varying(255) NOT NULL,
    pid integer NOT NULL,
    started double precision NOT NULL,
    last_seen double precision NOT NULL,
    settled_until bigint NOT NULL,
    state json NOT NULL
);

COMMENT ON COLUMN public.rollup_writers.started IS 'Unix time';

COMMENT ON COLUMN public.rollup_writers.last_seen IS 'Unix time';

COMMENT ON COLUMN public.rollup_writers.settled_until IS 'minutes before this are in the writer''s rows of every resolution';

CREATE TABLE public.workflow_instances (
    id character varying(128) NOT NULL,
    message_key character varying(128) NOT NULL,
    conversation_id character varying(128) NOT NULL,
    tenant_id character varying(128) NOT NULL,
    phone_number character varying(128) NOT NULL,
    content text NOT NULL,
    correlation_id character varying(128) NOT NULL,
    status character varying(32) NOT NULL,
    route character varying(32),
    confidence double precision,
    error text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.workflow_steps (
    id integer NOT NULL,
    workflow_id character varying(128) NOT NULL,
    step character varying(32) NOT NULL,
    step_type character varying(32) NOT NULL,
    status character varying(32) NOT NULL,
    started_at timestamp with time zone NOT NULL,
    duration_ms double precision NOT NULL
);

CREATE SEQUENCE public.workflow_steps_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.workflow_steps_id_seq OWNED BY public.workflow_steps.id;

ALTER TABLE ONLY public.approval_audit_log ALTER COLUMN id SET DEFAULT nextval('public.approval_audit_log_id_seq'::regclass);

ALTER TABLE ONLY public.rollup_series ALTER COLUMN id SET DEFAULT nextval('public.rollup_series_id_seq'::regclass);

ALTER TABLE ONLY public.workflow_steps ALTER COLUMN id SET DEFAULT nextval('public.workflow_steps_id_seq'::regclass);

INSERT INTO public.ai_response_queue VALUES ('response0', 'workflow0', 'You can pay 000 a week.', 0.5, 'auto_sent', NULL, '2026-03-01 09:00:00+00', '2026-03-01 09:01:00+00');
INSERT INTO public.ai_response_queue VALUES ('response1', 'workflow1', 'You can pay 100 a week.', 0.6, 'modified', '2026-03-01 09:01:00+00', '2026-03-01 09:01:00+00', '2026-03-01 09:02:00+00');
INSERT INTO public.ai_response_queue VALUES ('response2', 'workflow2', 'You can pay 200 a week.', 0.7, 'pending', '2026-03-01 09:02:00+00', '2026-03-01 09:02:00+00', '2026-03-01 09:03:00+00');
INSERT INTO public.ai_response_queue VALUES ('response3', 'workflow3', 'You can pay 300 a week.', 0.8, 'escalated', '2026-03-01 09:03:00+00', '2026-03-01 09:03:00+00', '2026-03-01 09:04:00+00');

INSERT INTO public.approval_audit_log VALUES (1, 'response1', 'modify', 'manager-1', 'Call me.', NULL, '2026-03-01 09:02:00+00');
INSERT INTO public.approval_audit_log VALUES (2, 'response3', 'escalate', 'manager-2', NULL, 'She is upset.', '2026-03-01 09:04:00+00');

INSERT INTO public.escalation_events VALUES ('escalation0', 'conversation-3', 'workflow3', 'hostile_language', 'high', 'auto', NULL, '2026-03-01 09:04:00+00', NULL, NULL, NULL, '2026-03-01 09:04:00+00');
INSERT INTO public.escalation_events VALUES ('escalation1', 'conversation-0', NULL, 'payment_dispute', 'low', 'manual', 'He says he paid.', NULL, '2026-03-01 10:30:00+00', 'manager-1', 'He had paid.', '2026-03-01 09:05:00+00');

INSERT INTO public.payment_plan_attempts VALUES ('plan0', 'conversation-0', 'tenant-0', 'workflow0', 200, 8, 'valid', '2026-03-01 09:00:00+00');
INSERT INTO public.payment_plan_attempts VALUES ('plan1', 'conversation-9', 'tenant-9', NULL, 5, NULL, 'invalid', '2026-03-01 09:01:00+00');

INSERT INTO public.rollup_leases VALUES ('expiry', 'w1', 1772356200);

INSERT INTO public.rollup_rows VALUES (86400, 'counts', 1772323200, 'w1', '\x0100000002000000', '\x03000000000000000600000000000000', '\x00000000000000000000000000001240', '\x00000000000000009a9999999999b93f', '\x00000000000000000000000000000440', '\x01000000', '\xf9ff', '\x03000000');
INSERT INTO public.rollup_rows VALUES (86400, 'durations', 1772323200, 'w1', '\x0100000002000000', '\x03000000000000000600000000000000', '\x00000000000000000000000000001240', '\x00000000000000009a9999999999b93f', '\x00000000000000000000000000000440', '\x01000000', '\xf9ff', '\x03000000');
INSERT INTO public.rollup_rows VALUES (3600, 'counts', 1772355600, 'w1', '\x0100000002000000', '\x03000000000000000600000000000000', '\x00000000000000000000000000001240', '\x00000000000000009a9999999999b93f', '\x00000000000000000000000000000440', '\x01000000', '\xf9ff', '\x03000000');
INSERT INTO public.rollup_rows VALUES (3600, 'durations', 1772355600, 'w1', '\x0100000002000000', '\x03000000000000000600000000000000', '\x00000000000000000000000000001240', '\x00000000000000009a9999999999b93f', '\x00000000000000000000000000000440', '\x01000000', '\xf9ff', '\x03000000');
INSERT INTO public.rollup_rows VALUES (300, 'counts', 1772355600, 'w1', '\x0100000002000000', '\x03000000000000000600000000000000', '\x00000000000000000000000000001240', '\x00000000000000009a9999999999b93f', '\x00000000000000000000000000000440', '\x01000000', '\xf9ff', '\x03000000');
INSERT INTO public.rollup_rows VALUES (300, 'durations', 1772355600, 'w1', '\x0100000002000000', '\x03000000000000000600000000000000', '\x00000000000000000000000000001240', '\x00000000000000009a9999999999b93f', '\x00000000000000000000000000000440', '\x01000000', '\xf9ff', '\x03000000');
INSERT INTO public.rollup_rows VALUES (60, 'counts', 1772355600, 'w1', '\x0100000002000000', '\x03000000000000000600000000000000', '\x00000000000000000000000000001240', '\x00000000000000009a9999999999b93f', '\x00000000000000000000000000000440', '\x01000000', '\xf9ff', '\x03000000');
INSERT INTO public.rollup_rows VALUES (60, 'durations', 1772355600, 'w1', '\x0100000002000000', '\x03000000000000000600000000000000', '\x00000000000000000000000000001240', '\x00000000000000009a9999999999b93f', '\x00000000000000000000000000000440', '\x01000000', '\xf9ff', '\x03000000');

INSERT INTO public.rollup_schema VALUES (1, 2);

INSERT INTO public.rollup_series VALUES (1, 'sms_received_total');
INSERT INTO public.rollup_series VALUES (2, 'sms_processing_duration_seconds{route="auto_sent"}');

INSERT INTO public.rollup_writers VALUES ('w1', 'host-1', 4711, 1772355600, 1772355661.5, 1772355660, '{"breakers": {"sms_agent": "closed"}}');

INSERT INTO public.workflow_instances VALUES ('workflow0', '0000000000000000000000000000000000000000000000000000000000000000', 'conversation-0', 'tenant-0', '+15550100000', 'Can I pay 000 a week? It''s ''late'' — sorry 🙏', 'correlation-0', 'completed', 'auto_sent', 0.5, NULL, '2026-03-01 09:00:00+00', '2026-03-01 09:01:00+00');
INSERT INTO public.workflow_instances VALUES ('workflow1', '0000000000000000000000000000000000000000000000000000000000000001', 'conversation-1', 'tenant-1', '+15550100001', 'Can I pay 100 a week? It''s ''late'' — sorry 🙏', 'correlation-1', 'sent', 'auto_sent', 0.6, NULL, '2026-03-01 09:01:00+00', '2026-03-01 09:02:00+00');
INSERT INTO public.workflow_instances VALUES ('workflow2', '0000000000000000000000000000000000000000000000000000000000000002', 'conversation-2', 'tenant-2', '+15550100002', 'Can I pay 200 a week? It''s ''late'' — sorry 🙏', 'correlation-2', 'awaiting_approval', 'queued', 0.7, NULL, '2026-03-01 09:02:00+00', '2026-03-01 09:03:00+00');
INSERT INTO public.workflow_instances VALUES ('workflow3', '0000000000000000000000000000000000000000000000000000000000000003', 'conversation-3', 'tenant-3', '+15550100003', 'Can I pay 300 a week? It''s ''late'' — sorry 🙏', 'correlation-3', 'escalated', 'escalated', 0.8, NULL, '2026-03-01 09:03:00+00', '2026-03-01 09:04:00+00');
INSERT INTO public.workflow_instances VALUES ('workflow4', '0000000000000000000000000000000000000000000000000000000000000004', 'conversation-4', 'tenant-4', '+15550100004', 'Can I pay 400 a week? It''s ''late'' — sorry 🙏', 'correlation-4', 'failed', 'failed', NULL, 'ai_provider generate_response: timeout', '2026-03-01 09:04:00+00', '2026-03-01 09:05:00+00');

INSERT INTO public.workflow_steps VALUES (1, 'workflow0', 'ai_response', 'ai_processing', 'completed', '2026-03-01 09:00:00+00', 812.5);
INSERT INTO public.workflow_steps VALUES (2, 'workflow1', 'ai_response', 'ai_processing', 'completed', '2026-03-01 09:01:00+00', 813.5);
INSERT INTO public.workflow_steps VALUES (3, 'workflow2', 'ai_response', 'ai_processing', 'completed', '2026-03-01 09:02:00+00', 814.5);
INSERT INTO public.workflow_steps VALUES (4, 'workflow3', 'ai_response', 'ai_processing', 'completed', '2026-03-01 09:03:00+00', 815.5);
INSERT INTO public.workflow_steps VALUES (5, 'workflow4', 'ai_response', 'ai_processing', 'failed', '2026-03-01 09:04:00+00', 816.5);

SELECT pg_catalog.setval('public.approval_audit_log_id_seq', 2, true);

SELECT pg_catalog.setval('public.rollup_series_id_seq', 2, true);

SELECT pg_catalog.setval('public.workflow_steps_id_seq', 5, true);

ALTER TABLE ONLY public.ai_response_queue
    ADD CONSTRAINT ai_response_queue_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.approval_audit_log
    ADD CONSTRAINT approval_audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.escalation_events
    ADD CONSTRAINT escalation_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_plan_attempts
    ADD CONSTRAINT payment_plan_attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.rollup_leases
    ADD CONSTRAINT rollup_leases_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.rollup_rows
    ADD CONSTRAINT rollup_rows_pkey PRIMARY KEY (resolution, kind, bucket_start, writer);

ALTER TABLE ONLY public.rollup_schema
    ADD CONSTRAINT rollup_schema_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.rollup_series
    ADD CONSTRAINT rollup_series_name_key UNIQUE (name);

ALTER TABLE ONLY public.rollup_series
    ADD CONSTRAINT rollup_series_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.rollup_writers
    ADD CONSTRAINT rollup_writers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.workflow_instances
    ADD CONSTRAINT workflow_instances_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.workflow_steps
    ADD CONSTRAINT workflow_steps_pkey PRIMARY KEY (id);

CREATE INDEX ai_response_queue_by_status ON public.ai_response_queue USING btree (status, created_at);

CREATE INDEX escalation_events_by_notification ON public.escalation_events USING btree (notified_at, created_at);

CREATE INDEX escalation_events_open ON public.escalation_events USING btree (severity) WHERE (resolved_at IS NULL);

CREATE INDEX ix_ai_response_queue_workflow_id ON public.ai_response_queue USING btree (workflow_id);

CREATE INDEX ix_approval_audit_log_response_queue_id ON public.approval_audit_log USING btree (response_queue_id);

CREATE INDEX ix_escalation_events_conversation_id ON public.escalation_events USING btree (conversation_id);

CREATE INDEX ix_payment_plan_attempts_conversation_id ON public.payment_plan_attempts USING btree (conversation_id);

CREATE INDEX ix_payment_plan_attempts_workflow_id ON public.payment_plan_attempts USING btree (workflow_id);

CREATE INDEX ix_workflow_steps_workflow_id ON public.workflow_steps USING btree (workflow_id);

CREATE INDEX workflow_instances_by_conversation ON public.workflow_instances USING btree (conversation_id, created_at);

CREATE INDEX workflow_instances_by_message ON public.workflow_instances USING btree (message_key, created_at);

CREATE INDEX workflow_instances_by_status ON public.workflow_instances USING btree (status, updated_at);

ALTER TABLE ONLY public.ai_response_queue
    ADD CONSTRAINT ai_response_queue_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES public.workflow_instances(id);

ALTER TABLE ONLY public.approval_audit_log
    ADD CONSTRAINT approval_audit_log_response_queue_id_fkey FOREIGN KEY (response_queue_id) REFERENCES public.ai_response_queue(id);

ALTER TABLE ONLY public.escalation_events
    ADD CONSTRAINT escalation_events_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES public.workflow_instances(id);

ALTER TABLE ONLY public.payment_plan_attempts
    ADD CONSTRAINT payment_plan_attempts_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES public.workflow_instances(id);

ALTER TABLE ONLY public.workflow_steps
    ADD CONSTRAINT workflow_steps_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES public.workflow_instances(id);
