-- The demo's database: two tables with Change Data Capture, and a few rows to start from.
CREATE TABLE dbo.Persons (
  ID        int           NOT NULL CONSTRAINT PK_Persons PRIMARY KEY,
  FirstName nvarchar(50)  NOT NULL,
  LastName  nvarchar(50)  NOT NULL,
  Email     nvarchar(100) NULL,
  Balance   decimal(18,4) NOT NULL CONSTRAINT DF_Persons_Balance DEFAULT 0,
  Active    bit           NOT NULL CONSTRAINT DF_Persons_Active DEFAULT 1,
  UpdatedAt datetime2(7)  NOT NULL CONSTRAINT DF_Persons_UpdatedAt DEFAULT SYSUTCDATETIME()
);
CREATE TABLE dbo.Cars (
  CarID     int              NOT NULL CONSTRAINT PK_Cars PRIMARY KEY,
  BrandName nvarchar(50)     NOT NULL,
  Color     nvarchar(30)     NOT NULL,
  PersonID  int              NULL,
  Price     decimal(12,2)    NOT NULL,
  Vin       uniqueidentifier NOT NULL CONSTRAINT DF_Cars_Vin DEFAULT NEWID(),
  BuiltOn   date             NOT NULL
);
GO
EXEC sys.sp_cdc_enable_db;
GO
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Persons', @role_name = NULL;
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Cars', @role_name = NULL;
GO
INSERT INTO dbo.Persons (ID, FirstName, LastName, Email, Balance) VALUES
  (1, N'Ada', N'Lovelace', N'ada@example.org', 1815.1210),
  (2, N'Grace', N'Hopper', N'grace@example.org', 1906.1209),
  (3, N'Alan', N'Turing', NULL, 1912.0623),
  (4, N'Barbara', N'Liskov', N'barbara@example.org', 1939.1107),
  (5, N'Łukasz', N'Ørsted', N'lukasz@example.org', -42.5);
INSERT INTO dbo.Cars (CarID, BrandName, Color, PersonID, Price, BuiltOn) VALUES
  (1, N'Volvo', N'blue', 1, 10999.90, '2019-05-17'),
  (2, N'Tatra', N'black', 2, 25400.00, '1957-02-28'),
  (3, N'Saab', N'green', NULL, 3150.50, '1998-11-03');
GO
