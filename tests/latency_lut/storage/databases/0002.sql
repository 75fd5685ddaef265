BEGIN TRANSACTION;
CREATE TABLE lut_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT lut_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "lut_alembic_version" VALUES('0002');
CREATE TABLE lut_devices (
	device_name TEXT NOT NULL, 
	profile_id TEXT NOT NULL, 
	last_seen INTEGER NOT NULL, 
	PRIMARY KEY (device_name, profile_id), 
	FOREIGN KEY(profile_id) REFERENCES lut_profiles (id)
);
INSERT INTO "lut_devices" VALUES('board1','profile-1',1);
CREATE TABLE lut_networks (
	id INTEGER NOT NULL, 
	profile_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	space TEXT NOT NULL, 
	architecture_id TEXT NOT NULL, 
	architecture_json TEXT NOT NULL, 
	precision TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	canary_ns BIGINT, 
	peak_bytes BIGINT, 
	static_bytes BIGINT NOT NULL, 
	created_utc TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT lut_networks_digest UNIQUE (digest), 
	FOREIGN KEY(profile_id) REFERENCES lut_profiles (id)
);
INSERT INTO "lut_networks" VALUES(1,'profile-1','b481f20f6d1ce99e4332ff7f186181bf24a31dfb0bb7f4e8c5f213def41a86c5','tiny','2514b2a41246','{"choices":{"bias1":false,"depth":1,"head":false,"size":1},"id":"2514b2a41246","space":"tiny"}','fp32','carrier',1000,5000,1000,'2026-01-02T03:04:05+00:00');
CREATE TABLE lut_phases (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	phase TEXT NOT NULL, 
	latency_ns BIGINT NOT NULL, 
	low_ns BIGINT NOT NULL, 
	high_ns BIGINT NOT NULL, 
	p90_ns BIGINT NOT NULL, 
	runs BIGINT NOT NULL, 
	quality TEXT NOT NULL, 
	group_ns TEXT NOT NULL, 
	nodes TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT lut_phases_position UNIQUE (network_id, position), 
	FOREIGN KEY(network_id) REFERENCES lut_networks (id)
);
INSERT INTO "lut_phases" VALUES(1,1,0,'infer',11000,10999,11001,11001,100,'good','[11000,11001]','[["stem/0_MatMul","MatMul",2000],["middle1/0_MatMul","MatMul",20000]]');
CREATE TABLE lut_profiles (
	id TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "lut_profiles" VALUES('profile-1','{"cores":[0,1],"threads":1}');
CREATE TABLE lut_segments (
	id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	params BIGINT NOT NULL, 
	active_params BIGINT NOT NULL, 
	macs BIGINT NOT NULL, 
	weight_bytes BIGINT NOT NULL, 
	peak_bytes BIGINT NOT NULL, 
	state_bytes BIGINT NOT NULL, 
	lasting_bytes BIGINT NOT NULL, 
	unknown_ops TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT lut_segments_key UNIQUE ("key")
);
INSERT INTO "lut_segments" VALUES(1,'dense(bias=0,size=1)@infer/fp32',1,1,7,4,10,3,1,'[]');
INSERT INTO "lut_segments" VALUES(2,'dense(bias=0,size=10)@infer/fp32',10,10,70,40,100,3,1,'[]');
CREATE TABLE lut_shares (
	phase_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	place TEXT NOT NULL, 
	segment_id INTEGER NOT NULL, 
	nodes INTEGER, 
	node_ns BIGINT, 
	latency_ns BIGINT, 
	PRIMARY KEY (phase_id, position), 
	FOREIGN KEY(phase_id) REFERENCES lut_phases (id), 
	FOREIGN KEY(segment_id) REFERENCES lut_segments (id)
);
INSERT INTO "lut_shares" VALUES(1,0,'stem',1,1,2000,1000);
INSERT INTO "lut_shares" VALUES(1,1,'middle1',2,1,20000,10000);
CREATE INDEX lut_networks_by_profile ON lut_networks (profile_id, precision);
COMMIT;
